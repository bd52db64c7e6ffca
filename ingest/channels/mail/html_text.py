"""The text of an HTML mail: no style, no script, no address of a picture. Quotes begin with `> `.

The tags are found here, in time that grows with the length: the standard library's parser needs minutes for a
few hundred kilobytes of unclosed tags.
"""

import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise

BREAKS = frozenset(
    (
        "article", "blockquote", "br", "div", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
        "ol", "p", "pre", "section", "table", "tr", "ul",
    )
)  # fmt: skip
PARAGRAPHS = frozenset(("p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre"))
HIDDEN = frozenset(("head", "title", "template", "noscript", "svg", "object"))
VERBATIM_CONTENT = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
"""Elements whose content is no HTML, and what ends it."""

MAX_QUOTES = 20
MAX_HTML = 1_000_000
"""Characters that are read. The text of a mail in an event is far shorter."""

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,30})")
QUOTE = re.compile(r"=\s{0,9}([\"'])|>")


def _tokens(html: str) -> Iterator[tuple[str, str]]:
    """Yield `text`, `open` and `close` with a text or the name of a tag."""
    place = 0
    while (start := html.find("<", place)) >= 0:
        if start > place:
            yield "text", html[place:start]
        tag = TAG.match(html, start)
        if tag is not None:
            name = tag[2].lower()
            yield ("close" if tag[1] else "open"), name
            place = _tag_end(html, tag.end())
            ending = None if tag[1] else VERBATIM_CONTENT.get(name)
            if ending is not None:
                found = ending.search(html, place)
                place = found.start() if found else len(html)
        elif html.startswith(("<!", "<?"), start):
            place = _declaration_end(html, start)
        else:
            yield "text", "<"
            place = start + 1
    yield "text", html[place:]


def _tag_end(html: str, place: int) -> int:
    """Return the place after a tag. A `>` in a quoted value does not end it; an unclosed tag has all the rest."""
    while (found := QUOTE.search(html, place)) is not None:
        if found[0] == ">":
            return found.end()
        closing = html.find(found[1], found.end())
        place = found.end() if closing < 0 else closing + 1
    return len(html)


def _declaration_end(html: str, start: int) -> int:
    """Return the place after a comment, a declaration or an instruction; an unclosed one has all the rest."""
    mark = "-->" if html.startswith("<!--", start) else ">"
    end = html.find(mark, start + 2)
    return len(html) if end < 0 else end + len(mark)


class _Text:
    """Collects lines as (depth of quotes, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self._words: list[str] = []
        self._hidden: list[str] = []
        self._quotes = 0
        self._verbatim = 0

    def open(self, tag: str) -> None:
        """Begin an element."""
        if tag in HIDDEN:
            self._hidden.append(tag)
        elif tag == "body":
            self._hidden.clear()
        if tag in BREAKS:
            self.end_line(is_forced=tag == "br")
        if tag == "li":
            self._words.append("- ")
        self._count(tag, 1)

    def close(self, tag: str) -> None:
        """End an element."""
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        if tag in BREAKS and tag != "br":
            self.end_line()
        if tag in PARAGRAPHS:
            self.lines.append((self._quotes, ""))
        self._count(tag, -1)

    def _count(self, tag: str, change: int) -> None:
        if tag == "blockquote":
            self._quotes = max(0, self._quotes + change)
        if tag == "pre":
            self._verbatim = max(0, self._verbatim + change)

    def text(self, data: str) -> None:
        """Add text, unless it is hidden."""
        if self._hidden:
            return
        if not self._verbatim:
            self._words.append(re.sub(r"[ \t\r\n\f]+", " ", data))
            return
        first, *others = data.split("\n")
        self._words.append(first)
        for each in others:
            self.end_line(is_forced=True)
            self._words.append(each)

    def end_line(self, *, is_forced: bool = False) -> None:
        """End a line if it has text, or in any case."""
        joined = "".join(self._words)
        line = joined if self._verbatim else re.sub(r" +", " ", joined).strip(" ")
        self._words.clear()
        if line.replace("\xa0", " ").strip() or is_forced:
            self.lines.append((self._quotes, line.replace("\xa0", " ").rstrip()))


def html_to_text(html: str) -> str:
    """Return what a person reads in the HTML. Never raises."""
    reader = _Text()
    for kind, value in _tokens(html[:MAX_HTML]):
        if kind == "text":
            reader.text(unescape(value))
        elif kind == "open":
            reader.open(value)
        else:
            reader.close(value)
    reader.end_line()
    return _joined(reader.lines)


def _joined(lines: list[tuple[int, str]]) -> str:
    """Join the lines with their marks of quotation, at most one empty line in a row."""
    marked = [
        (f"{'>' * min(quotes, MAX_QUOTES)} {line}" if quotes else line).rstrip()
        for quotes, line in lines
    ]
    kept = [line for before, line in pairwise(["", *marked]) if line.strip("> ") or line != before]
    return "\n".join(kept).strip()
