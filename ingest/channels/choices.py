"""Quick replies and buttons for channels that do not tell them apart, or show neither."""

from ingest.channels.base import Choice, OutboundMessage


def choices_of(message: OutboundMessage) -> list[Choice]:
    """Return quick replies, then buttons."""
    return [*message.quick_replies, *message.buttons]


def text_with_choices(message: OutboundMessage) -> str:
    """Return the text of a message for a channel without buttons: a line for each choice, with its link."""
    lines = [
        f"{each.title}: {each.url}" if each.url else each.title for each in choices_of(message)
    ]
    return "\n".join([*([message.text] if message.text else []), *lines])
