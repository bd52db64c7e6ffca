"""The reference of the API: the smallest FastAPI endpoint that reads the same message.

It checks the body with pydantic, answers with pydantic, and stores nothing.
`python -m benchmarks.bare PORT` serves it as `convolake api` serves the real one.
"""

import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()

ID = r"^[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,127}$"


class Message(BaseModel):
    """The body of a message, with the fields that a client usually sends."""

    participant_id: str = Field(pattern=ID)
    text: str | None = None
    event_id: str | None = Field(None, pattern=ID)
    message_id: str | None = Field(None, pattern=ID)
    occurred_at: datetime | None = None


class Answer(BaseModel):
    """An answer as long as the real one."""

    status: str
    event_id: str | None
    conversation_id: str
    sequence: int
    message_id: str | None
    received_at: datetime


@app.post("/v1/conversations/{conversation_id}/messages", status_code=201)
async def create_message(conversation_id: str, message: Message) -> Answer:
    """Answer at once; nothing is kept."""
    return Answer(
        status="accepted",
        event_id=message.event_id,
        conversation_id=conversation_id,
        sequence=1,
        message_id=message.message_id,
        received_at=datetime.now(UTC),
    )


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Return the process lives."""
    return {"status": "ok"}


def serve(served: FastAPI, port: int) -> None:
    """Serve a reference as `convolake api` is served, until a signal."""
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
    )


if __name__ == "__main__":
    serve(app, int(sys.argv[1]))
