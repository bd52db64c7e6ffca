"""Mail that a program sent: out-of-office notes, bounces, lists, our own. It reopens nothing and gets no answer.

Sources: RFC 3834 (automatic responses), RFC 3464 (delivery reports), RFC 2919 and 2369 (lists), RFC 5321 4.5.5 (null
return path), MS-OXCMAIL (X-Auto-Response-Suppress). `Precedence` and the others are customs.
"""

import re

from ingest.channels.mail.mail import Mail

OUR_PREFIX = "convolake."
"""The beginning of the Message-IDs that we give."""

MARKER = "x-convolake-reference"
"""Header of each mail that we send."""

AUTOMATIC_PRECEDENCE = frozenset(("bulk", "auto_reply", "junk", "list"))
RESPONDER_HEADERS = (
    "x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from", "x-mail-autoreply", "x-fc-machinegenerated",
)  # fmt: skip
SUPPRESSED = frozenset(("all", "oof", "autoreply"))
ROBOTS = frozenset(("mailer-daemon", "postmaster", "mail-daemon", "maildaemon"))
NO_REPLY = re.compile(r"(?:no|do[-_.]?not)[-_.]?reply", re.IGNORECASE)
VACATION = re.compile(
    r"\s*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response|antwort)|automatische antwort|abwesenheit"
    r"|out of (?:the )?office|réponse automatique|absence du bureau|respuesta automática|fuera de la oficina"
    r"|risposta automatica|automatisch antwoord|resposta automática|autosvar|автоответ|自動応答|自动回复)",
    re.IGNORECASE,
)


def automatic_reason(mail: Mail, our_address: str) -> str | None:
    """Return why a mail is automatic, as one word, or None if a person wrote it."""
    checks = (
        (is_our_own(mail, our_address), "own_mail"),
        (_is_report(mail, "disposition-notification"), "read_receipt"),
        (_is_report(mail, ""), "delivery_report"),
        (_auto_submitted(mail) not in ("", "no"), "auto_submitted"),
        (_is_responder(mail), "auto_reply"),
        (mail.envelope_sender == "" or _has_null_return_path(mail), "null_return_path"),
        (_local_part(mail) in ROBOTS, "mailer_daemon"),
        (not _is_own_list(mail, our_address) and _is_list(mail), "mailing_list"),
        (_is_vacation(mail), "vacation"),
    )
    return next((reason for is_so, reason in checks if is_so), None)


def is_our_own(mail: Mail, our_address: str) -> bool:
    """Return whether we sent this mail: by its Message-ID, our header, or our address as the only author."""
    if mail.values(MARKER) or is_our_message_id(mail.message_id(), our_address):
        return True
    authors = [each.address.lower() for each in mail.mailboxes("from")]
    return authors == [our_address.lower()] and not replies_elsewhere(mail, our_address)


def replies_elsewhere(mail: Mail, our_address: str) -> bool:
    """Return whether a mail that has our address as its author wants answers at another one, as groups do."""
    others = (*mail.mailboxes("reply-to"), *mail.mailboxes("x-original-from"))
    return any(each.address.lower() != our_address.lower() for each in others)


def is_our_message_id(message_id: str, our_address: str) -> bool:
    """Return whether we gave this Message-ID, for an account of this domain."""
    local, _, domain = message_id.strip("<> ").rpartition("@")
    return local.startswith(OUR_PREFIX) and domain.lower() == mail_domain(our_address)


def mail_domain(address: str) -> str:
    """Return the domain of a mail address in ASCII, or an empty string."""
    domain = address.rpartition("@")[2].strip().lower()
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""


def _is_report(mail: Mail, kind: str) -> bool:
    value = mail.value("content-type").lower()
    return mail.content_type == "multipart/report" and kind in value


def _auto_submitted(mail: Mail) -> str:
    return re.split(r"[;\s(]", mail.value("auto-submitted").strip().lower(), maxsplit=1)[0]


def _is_responder(mail: Mail) -> bool:
    if any(mail.value(name).strip().lower() not in ("", "no") for name in RESPONDER_HEADERS):
        return True
    suppressed = re.split(r"[,\s]+", mail.value("x-auto-response-suppress").lower())
    return bool(SUPPRESSED.intersection(suppressed)) or _precedence(mail) == "auto_reply"


def _precedence(mail: Mail) -> str:
    return mail.value("precedence").strip().lower()


def _has_null_return_path(mail: Mail) -> bool:
    return any(value.strip() == "<>" for value in mail.values("return-path")[:1])


def _local_part(mail: Mail) -> str:
    author = next(iter(mail.mailboxes("from")), None)
    return author.address.lower().partition("@")[0] if author else ""


def _is_list(mail: Mail) -> bool:
    has_list = any(mail.values(name) for name in ("list-id", "list-unsubscribe"))
    return has_list or _precedence(mail) in AUTOMATIC_PRECEDENCE


def _is_own_list(mail: Mail, our_address: str) -> bool:
    """Return whether the list is our own inbox, as with a group that collects a company's mail."""
    ours = our_address.lower()
    return bool(ours) and (
        ours.replace("@", ".") in mail.value("list-id").lower()
        or ours in mail.value("list-post").lower()
    )


def _is_vacation(mail: Mail) -> bool:
    """Return whether the subject says so, and something else too: people write such subjects as well."""
    if not VACATION.match(mail.decoded("subject")):
        return False
    is_machine = bool(mail.values("x-ms-exchange-generated-message-source"))
    return is_machine or bool(NO_REPLY.match(_local_part(mail)))
