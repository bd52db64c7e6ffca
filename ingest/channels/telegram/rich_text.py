"""The words of a rich message: blocks of text, since version 10.1 of the Bot API.

https://core.telegram.org/bots/api#richmessage
"""

from collections.abc import Iterator

MAX_LEVELS = 32


def rich_text(message: object) -> str | None:
    """Return the text of a rich message, one line for each block with words; None if it has none."""
    blocks = message.get("blocks") if isinstance(message, dict) else None
    return "\n".join(filter(None, _lines(blocks, MAX_LEVELS))) or None


def _lines(node: object, levels: int) -> Iterator[str]:
    if not isinstance(node, dict | list) or levels == 0:
        return
    if isinstance(node, dict):
        yield "".join(_words(node.get("text"), levels))
    for name, each in node.items() if isinstance(node, dict) else enumerate(node):
        if name != "text":
            yield from _lines(each, levels - 1)


def _words(text: object, levels: int) -> Iterator[str]:
    """Yield the words of a rich text: a string, a list of rich texts, or an object around one."""
    if isinstance(text, str):
        yield text
    elif isinstance(text, dict) and levels:
        yield from _words(text.get("text"), levels - 1)
    elif isinstance(text, list) and levels:
        for each in text:
            yield from _words(each, levels - 1)
