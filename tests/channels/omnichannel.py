"""One person's conversation over WhatsApp and mail: a real API between stand-ins of Meta and of a mail server."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple

import msgspec

from ingest.channels.base import Account
from ingest.channels.registry import ADAPTERS
from tests.api_server import Installation, wait_until
from tests.channels.mail_factories import OUR_ADDRESS, make_mail
from tests.channels.meta_bodies import BSUID, JSON, NUMBER, change, whatsapp_body
from tests.channels.stand_ins.meta import MetaStandIn
from tests.test_mail_client import Postbox

ADA = "ada@example.org"
FIRST_MAIL = "<follow-up@example.org>"
ASKED = "Where is 🎂 מספר 4711\u200b?\n漢字 👩‍🚀 e\u0301"
ANSWERED = "I look 👀 \u200fשלום\u200f 注文\u2060."
SECOND = "مرحبا\u200c, please a person 🙏🏽"
TAKEN_OVER = "This is Mira 👋 你好 \ufeff!"
FOLLOWED_UP = "It came broken 💔 שבור\u200b 壊れた"
SETTLED = "A new one is on its way 🚚 בדרך\u200d 新品"

IDS = {"from_user_id": BSUID}
BOTH = {"from": NUMBER, **IDS}


class Mail(NamedTuple):
    """The customer's mail, from ADA to us."""

    raw: bytes
    text: str
    message_id: str


def own_mail() -> Mail:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "8bit"}
    raw = make_mail(FOLLOWED_UP, From=f"Ada <{ADA}>", Message_ID=FIRST_MAIL, Date="", **headers)
    return Mail(raw, FOLLOWED_UP, FIRST_MAIL)


class Customer(NamedTuple):
    """A customer on WhatsApp: the first body, and the ids that later messages and statuses have; and by mail."""

    opening: JSON
    text: str
    at: int
    ids: dict[str, str] = IDS
    number_id: str = "555"
    mail: Mail = own_mail()


class Line(NamedTuple):
    """A message as every place has to show it."""

    channel: str
    channel_account: str
    participant_role: str
    text: str


def whatsapp_text(text: str, at: int, ids: dict[str, str], name: str) -> JSON:
    """Return the body of a text; without a number, contact and message have the user id alone."""
    who = {"wa_id": ids.get("from"), "user_id": ids.get("from_user_id")}
    about = {"profile": {"name": "Ada"}} | {key: each for key, each in who.items() if each}
    message = {"id": f"wamid.in.{name}", "timestamp": str(at), "type": "text", **ids}
    return whatsapp_body(change(contacts=[about], messages=[message | {"text": {"body": text}}]))


class Omnichannel:
    """Both channel accounts, their calls from the customer, and the answers that they send."""

    def __init__(
        self, api: Installation, meta: MetaStandIn, postbox: Postbox, port: int, customer: Customer
    ) -> None:
        self.api, self.meta, self.postbox, self.customer = api, meta, postbox, customer
        self.meta.now = api.clock()
        self.meta.last_inbound = dict.fromkeys(customer.ids.values(), api.clock())
        self.accounts = {
            "wa": self._account(
                "wa", "whatsapp_cloud", "493055500100",
                {"phone_number_id": customer.number_id, "api_url": f"{meta.url}/whatsapp"},
                {"app_secret": "an app secret", "verify_token": "a word", "access_token": meta.token},
            ),
            "inbox": self._account(
                "inbox", "email", OUR_ADDRESS,
                {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_encryption": "no"},
                {"webhook_password": "a long password"},
            ),
        }  # fmt: skip

    def _account(
        self, name: str, provider: str, address: str, options: dict[str, str], secrets: dict[str, str]
    ) -> Account:  # fmt: skip
        body = {
            "account_id": name, "provider": provider, "address": address, "options": options,
            "secrets": secrets, "policy": {"binding": "contact"},
        }  # fmt: skip
        self.post("/v1/channels", body)
        kept = {key: [value] for key, value in secrets.items()}
        channel = ADAPTERS[provider].channels[0]
        return Account(
            account_id=name, provider=provider, channel=channel, address=address,
            options=options, secrets=kept,
        )  # fmt: skip

    # --- the customer

    def deliver(self, account_id: str, raw: bytes, content_type: str = "application/json") -> None:
        """Let a provider deliver a call, signed."""
        account = self.accounts[account_id]
        call = ADAPTERS[account.provider].sign(raw, content_type, account, self.api.clock())
        path = f"/channels/{account_id}"
        headers = {"content-type": content_type, **call.headers}
        answer = self.api.http.post(path, content=raw, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text

    def receive(self, body: JSON) -> None:
        self.deliver("wa", msgspec.json.encode(body))

    def report(self, provider_id: str, *states: str) -> None:
        """Let Meta report states of a message, without the reference of the send."""
        ids = self.customer.ids
        about = {"recipient_id": ids.get("from"), "recipient_user_id": ids.get("from_user_id")}
        frame = {"id": provider_id, "timestamp": str(self.api.clock() // 1_000_000)}
        frame |= {name: each for name, each in about.items() if each}
        self.receive(whatsapp_body(change(statuses=[{**frame, "status": each} for each in states])))

    # --- bot and agent

    def get(self, path: str, **parameters: str) -> Any:
        answer = self.api.http.get(path, params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: JSON) -> JSON:
        answer = self.api.post(path, body)
        assert answer.is_success, answer.text
        found: JSON = answer.json()
        return found

    @property
    def path(self) -> str:
        """The one conversation."""
        (found,) = self.get("/v1/conversations")["items"]
        return f"/v1/conversations/{found['conversation_id']}"

    def say(self, who: str, text: str) -> str:
        epoch = self.get(self.path)["control"]["epoch"]
        body = {"participant_id": who, "text": text, "control_epoch": epoch}
        said = self.post(f"{self.path}/messages", body)
        return str(said["message_id"])

    def receipts(self, message_id: str) -> list[str]:
        found = self.get(f"{self.path}/messages/{message_id}")
        return [each["status"] for each in found["receipts"]]

    def wait_for(self, message_id: str, status: str) -> None:
        wait_until(lambda: self.receipts(message_id) == [status], 10, f"the message is {status}")

    # --- the story

    def play(self) -> None:
        """Play it whole: WhatsApp with a bot, then with a person, a day later by mail."""
        self.receive(self.customer.opening)
        self.post(
            f"{self.path}/participants", {"participant_id": "helper", "participant_role": "bot"}
        )
        self._answer_by_bot()
        self._write_again()
        self._hand_over()
        self.api.clock.forward(hours=30)
        self._continue_by_mail()

    def _answer_by_bot(self) -> None:
        """The first status comes while Meta still handles the send."""

        def report_early() -> None:
            self.meta.fault = lambda: None
            self.report("wamid.1", "delivered")

        self.meta.fault = report_early
        self.answer_id = self.say("helper", ANSWERED)
        self.wait_for(self.answer_id, "delivered")
        self.report("wamid.1", "read")
        self.report("wamid.1", "sent", "delivered")
        self.wait_for(self.answer_id, "read")

    def _write_again(self) -> None:
        """Now the number is hidden."""
        at = self.api.clock() // 1_000_000
        ids = {name: each for name, each in self.customer.ids.items() if name != "from"}
        self.receive(whatsapp_text(SECOND, at, ids or self.customer.ids, "2"))

    def _hand_over(self) -> None:
        asked = {"participant_id": "helper", "reason": "customer_request", "queue": "orders"}
        handoff = self.post(f"{self.path}/handoffs", asked)["event_id"]
        self.post(f"{self.path}/handoffs/{handoff}/accept", {"participant_id": "mira"})
        self.wait_for(self.say("mira", TAKEN_OVER), "submitted")

    def _continue_by_mail(self) -> None:
        """The agent knows the address; the mail then continues the conversation."""
        (contact,) = {
            each["contact_id"]
            for each in self.get(f"{self.path}/events")["items"]
            if each.get("participant_role") == "customer" and each.get("contact_id")
        }
        self.contact_id = contact
        self.post(f"/v1/contacts/{contact}/addresses", {"channel": "email", "address": ADA})
        self.deliver("inbox", self.customer.mail.raw, "message/rfc822")
        self.wait_for(self.say("mira", SETTLED), "submitted")

    @property
    def sent_mail(self) -> EmailMessage:
        (taken,) = self.postbox.taken
        mail = message_from_bytes(taken.content or b"", policy=policy.default)  # type: ignore[arg-type]
        assert isinstance(mail, EmailMessage)
        return mail

    @property
    def lines(self) -> list[Line]:
        """The messages of the story, in order."""
        return [
            Line("whatsapp", "wa", "customer", self.customer.text),
            Line("whatsapp", "wa", "bot", ANSWERED),
            Line("whatsapp", "wa", "customer", SECOND),
            Line("whatsapp", "wa", "agent", TAKEN_OVER),
            Line("email", "inbox", "customer", self.customer.mail.text),
            Line("email", "inbox", "agent", SETTLED),
        ]
