"""Calls of the conversation API, as the tests of it make them."""

from typing import Any

from fastapi.testclient import TestClient

PEOPLE = [
    {"participant_id": "ada", "participant_role": "customer"},
    {"participant_id": "helper", "participant_role": "bot"},
]


def send(
    api: TestClient, method: str, path: str, expect: int = 201, headers: Any = None, **body: Any
) -> dict[str, Any]:
    """One command to `/v1/conversations{path}`; paths of other resources begin with `//`."""
    url = f"/v1{path[1:]}" if path.startswith("//") else f"/v1/conversations{path}"
    response = api.request(method, url, json=body, headers=headers)
    assert response.status_code == expect, response.text
    found: dict[str, Any] = response.json()
    return found


def read(api: TestClient, path: str = "/c1", **params: Any) -> Any:
    url = f"/v1{path[1:]}" if path.startswith("//") else f"/v1/conversations{path}"
    response = api.get(url, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def rejected(api: TestClient, method: str, path: str, status: int, **body: Any) -> str:
    return str(send(api, method, path, status, **body)["code"])


def types(api: TestClient, conversation_id: str = "c1") -> list[str]:
    events = read(api, f"/{conversation_id}/events", limit=100)["items"]
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    return [each["event_type"] for each in events]


def post_message(
    api: TestClient, who: str = "ada", text: str = "hello", **rest: Any
) -> dict[str, Any]:
    return send(api, "POST", "/c1/messages", participant_id=who, text=text, **rest)


def stats_of(api: TestClient) -> dict[str, int]:
    sources = api.get("/v1/ingest-stats").json()["sources"]
    return next(each for each in sources if each["source"] == "local")


def run_due_timers(api: TestClient) -> None:
    """Run the timers that are due now instead of within a second."""
    app: Any = api.app
    portal = api.portal
    assert portal is not None
    portal.call(_run_due_timers, app._app)


async def _run_due_timers(app: Any) -> None:
    await app.state.context.writer.run_timers()


def micros(text: str) -> int:
    from datetime import datetime

    from ingest.contract import to_micros

    return to_micros(datetime.fromisoformat(text))


def request_handoff(api: TestClient) -> str:
    asked = send(api, "POST", "/c1/handoffs", participant_id="helper", reason="too_hard")
    return str(asked["event_id"])


def step(api: TestClient, handoff: str, name: str, expect: int = 201, **body: Any) -> Any:
    return send(api, "POST", f"/c1/handoffs/{handoff}/{name}", expect, **body)


def join(api: TestClient, *agents: str) -> None:
    for agent in agents:
        send(api, "POST", "/c1/participants", participant_id=agent, participant_role="agent")
