"""A peer of the API: FastAPI, pydantic and the SQLAlchemy ORM, one commit for each message.

What a team would write first, and no less durable: SQLite in WAL mode with synchronous=FULL,
a message that comes twice is stored once, sequences have no hole, 201 after the commit.
`python -m benchmarks.peer_sqlalchemy PORT FILE` serves it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, HTTPException
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.bare import Answer, Message, serve
from benchmarks.synthetic import conversation_ids


class Base(DeclarativeBase):
    """The peer's tables."""


class Conversation(Base):
    """A conversation and the place of its newest message."""

    __tablename__ = "conversations"

    conversation_id: Mapped[str] = mapped_column(primary_key=True)
    last_sequence: Mapped[int] = mapped_column(default=0)


class StoredMessage(Base):
    """A message as it came."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("conversation_id", "sequence"),)

    position: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    message_id: Mapped[str]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.conversation_id"))
    sequence: Mapped[int]
    participant_id: Mapped[str]
    text: Mapped[str | None]
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime]


def open_sessions(path: str) -> "sessionmaker[Session]":
    """Sessions on a new store that knows the conversations which messages go to."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")

    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    with sessions() as session, session.begin():
        session.add_all(Conversation(conversation_id=each) for each in conversation_ids())
    return sessions


class Writes:
    """One write transaction at a time: without it SQLite's busy handler sleeps between tries."""

    def __init__(self, sessions: "sessionmaker[Session]") -> None:
        """Write through `sessions`."""
        self._sessions = sessions
        self._lock = Lock()

    @contextmanager
    def begin(self) -> "Iterator[Session]":
        """Return a transaction that is committed at the end."""
        with self._lock, self._sessions() as session, session.begin():
            yield session


def create_app(path: str) -> FastAPI:
    """Return the peer with its store in `path`."""
    app = FastAPI()
    writes = Writes(open_sessions(path))

    @app.post("/v1/conversations/{conversation_id}/messages", status_code=201)
    def create_message(conversation_id: str, message: Message) -> Answer:
        with writes.begin() as session:
            return _store(session, conversation_id, message)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _store(session: Session, conversation_id: str, message: Message) -> Answer:
    event_id = message.event_id or str(uuid4())
    stored = session.scalar(select(StoredMessage).where(StoredMessage.event_id == event_id))
    if stored is not None:
        return _answer("duplicate", stored)
    conversation = session.get(Conversation, conversation_id)
    if conversation is None:
        raise HTTPException(404, "there is no conversation with this id")
    conversation.last_sequence += 1
    stored = StoredMessage(
        event_id=event_id,
        message_id=message.message_id or event_id,
        conversation_id=conversation_id,
        sequence=conversation.last_sequence,
        participant_id=message.participant_id,
        text=message.text,
        occurred_at=message.occurred_at,
        received_at=datetime.now(UTC),
    )
    session.add(stored)
    return _answer("accepted", stored)


def _answer(status: str, stored: StoredMessage) -> Answer:
    return Answer(
        status=status,
        event_id=stored.event_id,
        conversation_id=stored.conversation_id,
        sequence=stored.sequence,
        message_id=stored.message_id,
        received_at=stored.received_at,
    )


if __name__ == "__main__":
    serve(create_app(sys.argv[2]), int(sys.argv[1]))
