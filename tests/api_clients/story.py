"""The omnichannel story, played by the client that openapi-python-client generates.

Arguments: the folder of the generated package, the API's address and a key. It runs in an environment
without Convolake.
"""
# mypy: ignore-errors

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER, URL, KEY = sys.argv[1:]
sys.path.insert(0, FOLDER)

from generated import AuthenticatedClient, models  # noqa: E402
from generated.api.conversations import create_conversation, resolve_conversation  # noqa: E402
from generated.api.events import list_events, record_events  # noqa: E402
from generated.api.handoffs import accept_handoff, close_handoff, request_handoff  # noqa: E402
from generated.api.messages import create_message, list_messages  # noqa: E402
from generated.api.webhooks import create_webhook, remove_webhook  # noqa: E402

client = AuthenticatedClient(base_url=URL, token=KEY)


def must(answer):
    assert answer is not None, "no documented answer"
    assert not isinstance(answer, models.Problem), answer
    return answer


def reply(conversation_id: str, event: models.Event) -> None:
    body = models.NewMessage(
        participant_id="helper",
        text="I am looking into it.",
        in_reply_to=event.message_id,
        control_epoch=event.control.epoch,
    )
    must(create_message.sync(conversation_id, client=client, body=body))


class Bot(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()
        event = models.DeliveryBody.from_dict(body).data
        if event.participant_role == "customer":
            reply(event.conversation_id, event)

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""


def messages(conversation_id: str):
    return must(list_messages.sync(conversation_id, client=client)).items


def ask(conversation_id: str, channel: str, account: str, text: str, total: int) -> None:
    event = models.Draft(
        event_type="message.created",
        conversation_id=conversation_id,
        channel=channel,
        channel_account=account,
        participant_id="ada",
        participant_role=models.DraftParticipantRoleType0.CUSTOMER,
        text=text,
    )
    must(record_events.sync(client=client, body=event))
    deadline = time.monotonic() + 30
    while len(messages(conversation_id)) < total:
        assert time.monotonic() < deadline, "the bot did not answer"
        time.sleep(0.05)


def play(bot_url: str) -> None:
    opened = must(
        create_conversation.sync(
            client=client,
            body=models.NewConversation(
                channel="whatsapp",
                channel_account="+4930123456",
                participants=[
                    models.Participant("ada", models.ParticipantParticipantRole.CUSTOMER),
                    models.Participant("helper", models.ParticipantParticipantRole.BOT),
                ],
            ),
        )
    )
    conversation_id = opened.conversation_id
    webhook = must(
        create_webhook.sync(
            client=client,
            body=models.NewWebhook(url=bot_url, event_types=["message.created"], bot_id="helper"),
        )
    )
    ask(conversation_id, "whatsapp", "+4930123456", "Where is my order 4711?", 2)
    request = models.NewHandoff(participant_id="helper", reason="customer_request", queue="orders")
    handoff_id = must(request_handoff.sync(conversation_id, client=client, body=request)).event_id
    agent = models.HandoffStep(participant_id="mira")
    must(accept_handoff.sync(conversation_id, handoff_id, client=client, body=agent))
    late = models.NewMessage(participant_id="helper", text="Late", control_epoch=1)
    rejected = create_message.sync(conversation_id, client=client, body=late)
    assert isinstance(rejected, models.Problem), rejected
    assert rejected.code == "stale_epoch", rejected
    said = models.NewMessage(participant_id="mira", text="Hello, this is Mira.")
    must(create_message.sync(conversation_id, client=client, body=said))
    must(close_handoff.sync(conversation_id, handoff_id, client=client, body=agent))
    done = models.Resolution(
        participant_id="mira",
        resolved_by=models.ResolutionResolvedByType0.AGENT,
        is_confirmed=True,
    )
    must(resolve_conversation.sync(conversation_id, client=client, body=done))
    ask(conversation_id, "email", "shop@example.com", "It has come, but it is broken.", 5)
    events = must(list_events.sync(conversation_id, client=client, limit=100)).items
    channels = [
        (each.participant_id, each.channel, each.channel_account)
        for each in events
        if each.event_type == "message.created"
    ]
    assert channels == [
        ("ada", "whatsapp", "+4930123456"),
        ("helper", "whatsapp", "+4930123456"),
        ("mira", "whatsapp", "+4930123456"),
        ("ada", "email", "shop@example.com"),
        ("helper", "email", "shop@example.com"),
    ], channels
    remove_webhook.sync_detailed(webhook.webhook_id, client=client)


with ThreadingHTTPServer(("127.0.0.1", 0), Bot) as server:
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    play(f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
sys.stdout.write("the Python client played the omnichannel story\n")
