"""The agent desk over a real API: what an agent does there reaches the customer, once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from websockets.sync.client import ClientConnection

from dashboards import formatting
from ingest.client import Client
from tests.api_server import WAIT, Installation
from tests.dashboard_app import checked, show_page
from tests.factories import free_port

PEOPLE = [
    {"participant_id": "ada", "participant_role": "customer"},
    {"participant_id": "helper", "participant_role": "bot"},
]
HOSTILE = "![x](http://evil.example/x.png) <script>alert(1)</script> \u202egnp.exe"

Desk = Callable[..., AppTest]


@pytest.fixture
def client(installation: Installation) -> Any:
    with Client(installation.url, installation.key) as client:
        yield client


@pytest.fixture
def desk(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Open the desk of an agent."""
    monkeypatch.setenv("CONVOLAKE_DATA", str(installation.settings.data))
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)

    def run(agent: str = "mira", **address: str) -> AppTest:
        return show_page("desk", **{"agent": agent} | address)

    return run


def ask_for_a_human(installation: Installation, name: str, text: str = "A human, please") -> None:
    """A customer's conversation in which the bot asks for a human."""
    of = {"conversation_id": name}
    created = {"event_type": "conversation.created", "channel": "web"}
    asked = {"event_type": "handoff.requested", "handoff_id": f"h-{name}", "queue": "billing"}
    installation.post_events(
        [
            of | created | {"payload": {"participants": PEOPLE}},
            of | {"event_type": "message.created", "participant_id": "ada", "text": text},
            of | asked | {"payload": {"reason": "too_hard"}},
        ]
    )


def press(app: AppTest, label: str, place: int = 0) -> AppTest:
    found = [each for each in app.button if each.label == label]
    assert not found[place].disabled, label
    return checked(found[place].click().run())


def write(app: AppTest, text: str) -> AppTest:
    return checked(app.text_area[0].set_value(text).run())


def shown(app: AppTest) -> str:
    return "\n".join(each.value for each in app.text)


def problems(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.warning, *app.error))


def test_waiting_handoffs_are_listed_with_the_oldest_first_and_their_reason(
    installation: Installation, desk: Desk
) -> None:
    ask_for_a_human(installation, "c2")
    installation.clock.forward(minutes=5)
    ask_for_a_human(installation, "c1")
    app = desk()
    assert [each.value for each in app.subheader] == ["Yours (0)", "Waiting (2)"]
    takes = [each.key for each in app.button if each.label == "Take"]
    assert takes == ["take h-c2", "take h-c1"]
    assert "queue \u2068billing\u2069 · \u2068too hard\u2069 · 1 message" in shown(app)


def test_an_empty_desk_says_that_nothing_waits(installation: Installation, desk: Desk) -> None:
    said = [each.value for each in desk().caption]
    assert "No handoff waits. This list refreshes automatically." in said


def test_the_customer_hears_the_agent_who_took_the_handoff(
    installation: Installation, desk: Desk, client: Client
) -> None:
    ask_for_a_human(installation, "c1")
    with installation.listen(token=installation.token("c1")) as customer:
        app = press(desk(), "Take")
        assert app.query_params["conversation"] == "c1"
        assert "You have control: the bot is silent." in shown(app)
        assert "A human, please" in shown(app)
        press(write(app, "Hello, I am Mira."), "Send")
        assert app.text_area[0].value == ""
        press(write(app, "wants a refund"), "Keep as internal note")
        heard = [frame for frame in until(customer, "message.created") if "text" in frame]
        assert heard[-1]["text"] == "Hello, I am Mira."
    said = [(each.text, each.visibility) for each in client.messages("c1")]
    assert said[1:] == [("Hello, I am Mira.", "public"), ("wants a refund", "internal")]
    assert client.conversation("c1").control.participant_id == "mira"


def until(customer: ClientConnection, event_type: str) -> list[dict[str, Any]]:
    """The events that a customer's socket receives, up to the first of a type by an agent."""
    found: list[dict[str, Any]] = []
    while not (
        found
        and (found[-1].get("event_type"), found[-1].get("participant_id")) == (event_type, "mira")
    ):
        frame = json.loads(customer.recv(WAIT))
        found.append(frame.get("event") or frame)
    return found


def test_one_of_two_desks_gets_a_handoff_and_the_other_is_told(
    installation: Installation, desk: Desk, client: Client
) -> None:
    ask_for_a_human(installation, "c1")
    mira, jonas = desk("mira"), desk("jonas")
    press(mira, "Take")
    press(jonas, "Take")
    assert "another agent took it" in problems(jonas)
    assert "conversation" not in jonas.query_params
    assert client.conversation("c1").control.participant_id == "mira"
    assert not problems(mira)


def test_a_text_is_kept_when_control_was_lost_before_it_was_sent(
    installation: Installation, desk: Desk, client: Client
) -> None:
    ask_for_a_human(installation, "c1")
    app = press(desk("mira"), "Take")
    app.text_area[0].set_value("You get a refund.")
    installation.post(
        "/v1/conversations/c1/participants",
        {"participant_id": "jonas", "participant_role": "agent"},
    )
    installation.post("/v1/conversations/c1/control/take", {"participant_id": "jonas"})
    press(app, "Send")
    assert "Control has changed" in problems(app)
    assert "Your text is kept." in problems(app)
    assert app.text_area[0].value == "You get a refund."
    assert "\u2068jonas\u2069 has control." in shown(app)
    assert [each.text for each in client.messages("c1")] == ["A human, please"]


def test_a_text_is_kept_while_the_api_is_down_and_is_sent_once_later(
    installation: Installation, desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_a_human(installation, "c1")
    app = press(desk("mira"), "Take")
    monkeypatch.setenv("CONVOLAKE_API_URL", f"http://127.0.0.1:{free_port()}")
    press(write_without_a_run(app, "Still there?"), "Send")
    assert "The conversation API does not answer" in problems(app)
    assert app.text_area[0].value == "Still there?"
    monkeypatch.setenv("CONVOLAKE_API_URL", installation.url)
    press(checked(app.run()), "Send")
    assert app.text_area[0].value == ""
    assert [each.text for each in client.messages("c1")][1:] == ["Still there?"]


def write_without_a_run(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app


def test_a_text_is_kept_while_the_agent_looks_at_another_conversation(
    installation: Installation, desk: Desk
) -> None:
    ask_for_a_human(installation, "c1")
    ask_for_a_human(installation, "c2")
    app = press(desk(), "Take")
    write(app, "Half a sent")
    press(app, "Take")
    assert app.query_params["conversation"] == "c2"
    assert app.text_area[0].value == ""
    press(app, "Open")
    assert app.query_params["conversation"] == "c1"
    assert app.text_area[0].value == "Half a sent"


def test_the_customer_sees_that_the_agent_types_until_the_answer_is_sent(
    installation: Installation, client: Client, desk: Desk
) -> None:
    ask_for_a_human(installation, "c1")
    app = desk(conversation="c1")
    assert app.toggle[0].disabled  # the agent has no control yet
    press(app, "Take")
    assert not client.typing("c1").items
    checked(app.toggle[0].set_value(True).run())
    assert [each.participant_id for each in client.typing("c1").items] == ["mira"]
    write(app, "I look into it.")
    press(app, "Send")
    assert not app.toggle[0].value
    installation.http.delete("/v1/conversations/c1/typing/mira")
    checked(app.run())
    assert not client.typing("c1").items


def test_the_desk_shows_that_the_customer_is_typing(installation: Installation, desk: Desk) -> None:
    ask_for_a_human(installation, "c1")
    app = press(desk(), "Take")
    for who, expected in (("ada", ["The other side is typing …"]), ("mira", [])):
        typing = f"/v1/conversations/c1/typing/{who}"
        assert installation.http.put(typing, json={"seconds": 30}).status_code == 200
        said = [each.value for each in checked(app.run()).caption if "typing" in each.value]
        assert said == expected, who
        installation.http.delete(typing)


def test_returning_gives_control_to_the_bot(
    installation: Installation, desk: Desk, client: Client
) -> None:
    ask_for_a_human(installation, "c1")
    app = press(desk(), "Take")
    press(app, "Return to the bot")
    assert "The bot has control." in shown(app)
    state = client.conversation("c1")
    assert (state.control.owner, state.handoff) == ("bot", None)
    disabled = {each.label for each in app.button if each.disabled}
    assert {"Send", "Return to the bot"} <= disabled


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "confirmed"),
    [
        ("confirmed", "resolved", "solved", True),
        ("solved", "resolved", "solved", False),
        ("unsolved", "active", "unsolved", None),
    ],
)
def test_finishing_records_the_outcome(
    installation: Installation,
    desk: Desk,
    client: Client,
    outcome: str,
    state: str,
    reason: str,
    confirmed: bool | None,
) -> None:
    ask_for_a_human(installation, "c1")
    app = press(desk(), "Take")
    next(each for each in app.selectbox if each.label == "Outcome").set_value(outcome)
    press(app, "End the handoff")
    assert not problems(app)
    found = client.conversation("c1")
    assert (found.state, found.handoff, found.control.owner) == (state, None, "bot")
    events = installation.http.get("/v1/conversations/c1/events", params={"limit": 100}).json()[
        "items"
    ]
    closed = next(each for each in events if each["event_type"] == "handoff.closed")
    assert closed["payload"]["reason"] == reason
    resolved = [each["payload"] for each in events if each["event_type"] == "conversation.resolved"]
    assert [each.get("is_confirmed", False) for each in resolved] == (
        [] if confirmed is None else [confirmed]
    )


def test_without_the_api_the_desk_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_API_URL", f"http://127.0.0.1:{free_port()}")
    assert "`convolake serve` starts it" in problems(desk())


def test_a_hostile_message_is_plain_text_on_the_desk(
    installation: Installation, desk: Desk
) -> None:
    ask_for_a_human(installation, "c1", HOSTILE)
    app = press(desk(), "Take")
    assert formatting.reveal(HOSTILE) in [each.value for each in app.text]
    kinds = ("markdown", "caption", "warning", "error")
    rendered = [str(getattr(each, "value", "")) for kind in kinds for each in app.get(kind)]
    assert not any("evil.example" in each for each in rendered)


@pytest.mark.parametrize("agent", ["two words", ".hidden", "<b>"])
def test_an_agent_needs_an_id_of_the_record(desk: Desk, agent: str) -> None:
    app = desk(agent)
    assert ("An id has letters" in problems(app)) == (agent != "<b>")
