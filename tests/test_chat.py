"""The web chat in a browser, with the demo's bot: no message is lost or posted twice."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from convolake import assistant
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import run_server, wait_until

LOG = "return document.getElementById('log').innerText"
STATE = "return document.getElementById('state').textContent"
LEFT = {"event_type": "custom.came_back"}
SAY = """
    document.getElementById('text').value = arguments[0];
    document.getElementById('form').requestSubmit();
"""


class Site:
    """An API whose chat is open, and its client."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self.client = client

    def texts(self) -> list[str | None]:
        (conversation,) = self.client.conversations()
        return [each.text for each in self.client.messages(conversation.conversation_id)]


@pytest.fixture
def chat_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"chat": True})


@pytest.fixture
def site(chat_settings: Settings) -> Iterator[Site]:
    key = get_or_create_local_key(chat_settings, wall_clock())
    with (
        run_server(FastPathMiddleware(create_app(chat_settings))) as url,
        Client(url, key, retries=0) as client,
    ):
        yield Site(url, client)


def shows(browser: Any, text: str) -> None:
    wait_until(lambda: text in browser.execute_script(LOG), 20, f"the chat shows {text!r}")


def open_chat(browser: Any, site: Site) -> None:
    """Open the page, and wait until it is live: it sends nothing before it has its conversation."""
    browser.get(f"{site.url}/chat")
    wait_until(lambda: browser.execute_script(STATE) == "", 20, "the chat is live")


def answer_all(client: Client, count: int) -> None:
    """Run the bot until it has answered `count` events."""
    for event in client.listen(after=0):
        if assistant.is_for_us(event):
            assistant.answer(client, "assistant", event)
            count -= 1
        if count == 0:
            return


def test_a_visitor_talks_to_the_bot_and_asks_for_a_person(browser: Any, site: Site) -> None:
    bot = threading.Thread(target=answer_all, args=(site.client, 3))
    bot.start()
    browser.get(f"{site.url}/chat")
    shows(browser, assistant.GREETING)
    browser.execute_script(SAY, "Where is 4711?")
    shows(browser, "Order 4711 is on its way")
    browser.execute_script(SAY, "A person, please")
    shows(browser, "A person was asked to help.")
    bot.join(20)
    (conversation,) = site.client.conversations()
    assert conversation.handoff is not None
    assert conversation.handoff.reason == "customer_asked"
    assert len(site.texts()) == 5


def test_a_hostile_message_is_text_on_the_chat_page(browser: Any, site: Site) -> None:
    open_chat(browser, site)
    text = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    browser.execute_script(SAY, text)
    shows(browser, text)
    assert browser.title == "Chat"
    assert not browser.find_elements("css selector", "#log img, #log script")


def test_a_message_is_posted_once_although_its_answer_was_lost(browser: Any, site: Site) -> None:
    open_chat(browser, site)
    browser.execute_script("""
        const real = window.fetch; let lost = 0;
        window.fetch = async (path, how) => {
            const answer = await real(path, how);
            if (path.endsWith('/messages') && lost++ < 2) throw new TypeError('the answer was lost');
            return answer;
        };
    """)
    browser.execute_script(SAY, "Once?")
    shows(browser, "Once?")
    pending = "return document.querySelectorAll('#log .pending').length"
    wait_until(lambda: browser.execute_script(pending) == 0, 20, "nothing is pending")
    assert site.texts() == ["Once?"]
    assert browser.execute_script(LOG).count("Once?") == 1


def test_a_chat_resumes_after_a_page_reload(browser: Any, site: Site) -> None:
    open_chat(browser, site)
    browser.execute_script(SAY, "Are you there?")
    shows(browser, "Are you there?")
    browser.refresh()
    shows(browser, "Are you there?")
    assert len(list(site.client.conversations())) == 1


def test_without_the_setting_the_chat_is_404(browser: Any, settings: Settings) -> None:
    with run_server(FastPathMiddleware(create_app(settings))) as url:
        browser.get(f"{url}/chat")
        state = "return document.getElementById('state').innerText"
        wait_until(
            lambda: "opens no conversations" in browser.execute_script(state),
            20,
            "the page says so",
        )


def test_the_demo_bot_does_not_answer_under_human_control(site: Site) -> None:
    client = site.client
    opened = client.create_conversation("web", participants=[])
    conversation_id = str(opened.conversation_id)
    people = [("ada", "customer"), ("assistant", "bot"), ("mira", "agent")]
    facts: list[dict[str, Any]] = [
        {
            "event_type": "participant.joined",
            "participant_id": who,
            "participant_role": role,
        }
        for who, role in people
    ]
    facts += [
        {"event_type": "handoff.requested", "handoff_id": "h1"},
        {"event_type": "handoff.accepted", "handoff_id": "h1", "participant_id": "mira"},
    ]
    list(client.record({"conversation_id": conversation_id} | fact for fact in facts))
    asked = client.post_message(conversation_id, "ada", "Where is order 7?")
    event = {"conversation_id": conversation_id, "event_id": asked.event_id, "text": "Where?"}
    for control in (
        {"owner": "human", "participant_id": "mira", "epoch": 2},
        {
            "owner": "bot",
            "participant_id": None,
            "epoch": 1,
        },  # the bot saw it before the agent came
    ):
        assistant.answer(client, "assistant", event | {"control": control})
    assert [each.text for each in client.messages(conversation_id)] == ["Where is order 7?"]


def test_a_client_listener_resumes_when_the_server_is_back(
    settings: Settings,
) -> None:
    key = get_or_create_local_key(settings, wall_clock())
    with ExitStack() as later:

        def send_return_event(_: float) -> None:
            url = later.enter_context(run_server(FastPathMiddleware(create_app(settings)), port))
            with Client(url, key) as other:
                list(other.record([LEFT | {"conversation_id": "c1"}]))

        with run_server(FastPathMiddleware(create_app(settings))) as url:
            port = int(url.rpartition(":")[2])
            client = later.enter_context(Client(url, key, wait=send_return_event))
            client.create_conversation("web", conversation_id="c1")
            events = client.listen("c1", after=0)
            assert [next(events)["sequence"], next(events)["sequence"]] == [1, 2]
        assert next(events)["event_type"] == "custom.came_back"
        events.close()
