"""The text of an HTML mail: no style, no script, no address of a picture. Quotes begin with `> `."""

import re
from html.parser import HTMLParser
from itertools import pairwise

BREAKS = frozenset(
    (
        "article", "blockquote", "br", "div", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
        "ol", "p", "pre", "section", "table", "tr", "ul",
    )
)  # fmt: skip
PARAGRAPHS = frozenset(("p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre"))
HIDDEN = frozenset(("script", "style", "head", "title", "template", "noscript", "svg", "object"))
MAX_QUOTES = 20


class _Text(HTMLParser):
    """Collects lines as (depth of quotes, text)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[int, str]] = []
        self._words: list[str] = []
        self._hidden: list[str] = []
        self._quotes = 0
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HIDDEN:
            self._hidden.append(tag)
        elif tag == "body":
            self._hidden.clear()
        if tag in BREAKS:
            self.end_line(is_forced=tag == "br")
        if tag == "li":
            self._words.append("- ")
        self._count(tag, 1)

    def handle_endtag(self, tag: str) -> None:
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

    def handle_data(self, data: str) -> None:
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
    """Return what a person reads in the HTML. Never raises: HTML that cannot be read loses its tags."""
    reader = _Text()
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, ValueError, RecursionError):
        return re.sub(r"<[^<>]{0,1000}>", " ", html).strip()
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
