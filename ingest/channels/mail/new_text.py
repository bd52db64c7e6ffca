"""The new text of a mail, apart from the history that it quotes.

Cautious: text is left out only if something marks it as a quotation. A forwarded mail keeps all of it, answers between
quoted lines are kept, and so is a signature. Work is bounded: the library's patterns see short lines, and few of them.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from mailparser_reply import EmailMessage
from mailparser_reply.constants import MAIL_LANGUAGES
from msgspec import Struct

MAX_LINE = 160
"""Characters of a line that the library's patterns see: their time grows with the square of it."""

MAX_CANDIDATES = 60
"""Lines of a mail at which a header of a quotation is looked for with the library's patterns."""

WINDOW = 8
MAX_LINES = 20_000
"""Longer texts are no letters; they are kept whole."""

FORWARD = re.compile(
    r"\s*\[?(?:fwd?|wg|tr|rv|enc|doorst|vs|vb|pd|i|пересл|轉寄|转发|전달)\]?\s*:", re.IGNORECASE
)
FORWARD_MARK = re.compile(
    r"[-_\s>]*(?:begin forwarded message|forwarded message|weitergeleitete nachricht|message transf[ée]r[ée]"
    r"|mensaje reenviado|messaggio inoltrato|пересылаемое сообщение|doorgestuurd bericht)[-_\s:]*",
    re.IGNORECASE,
)
ORIGINAL_MARK = re.compile(
    r"\s*[-_]{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|mensaje original"
    r"|messaggio originale|oorspronkelijk bericht|исходное сообщение|原始邮件)\s*[-_]{2,}\s*",
    re.IGNORECASE,
)
QUOTED = re.compile(r" ?>(?:[ \t>]|\Z)")
QUOTED_LOOSELY = re.compile(r"\s?>")
RULE = re.compile(r"\s*[_-]{20,}\s*")
SIGNATURE = re.compile(r"\s?(?:--\s*|_{20,}\s*)")
FIELD = re.compile(r"[*> ]*[^\W\d_][\w ]{0,30}\*?\s?:")
COLONS = (":", "：")
FIELDS = re.compile(
    r"(?:[*> ]*(?:от|отправлено|дата|кому|тема|копия|від|надіслано|de|enviad[ao](?: em)?|para|assunto|data"
    r"|kimden|gönderildi|kime|konu|lähettäjä|lähetetty|vastaanottaja|aihe|fra|sendt|til|emne)\*?\s?:.*\n?){3,}",
    re.IGNORECASE,
)
"""Introductions of quotations in languages that the library lacks."""

SENT = re.compile(
    r"(?:^|\n)[*> ]*(?:sent|gesendet|envoyé|enviad[ao](?: em)?|inviato|verzonden|skickat|sendt|wysłano|odesláno|отправлено"
    r"|надіслано|gönderildi|lähetetty|送信日時|发送时间|보낸 날짜)\*?\s?[:：]",
    re.IGNORECASE,
)
TIME = re.compile(r"\d{1,2}[:.]\d{2}|\d{4}年")


@cache
def _header() -> re.Pattern[str]:
    """Return the library's pattern of the line before a quotation, in all its languages."""
    pattern: re.Pattern[str] = EmailMessage(text="", languages=list(MAIL_LANGUAGES)).HEADER_REGEX
    return pattern


def new_text(text: str, subject: str = "") -> str:
    """Return the new text of a mail: all of it if nothing is quoted, or if all is. Never raises."""
    whole = text.strip("\r\n")
    if FORWARD.match(subject) or whole.count("\n") > MAX_LINES:
        return whole
    lines = whole.replace("\r\n", "\n").split("\n")
    kept = _without_quotes(lines)
    return kept if kept.strip() else whole


def _without_quotes(lines: Sequence[str]) -> str:
    history = _history(lines)
    if history.start == len(lines) and not any(QUOTED.match(line) for line in lines):
        return "\n".join(lines)
    above, below = list(lines[: history.start]), list(lines[history.end :])
    if any(FORWARD_MARK.fullmatch(line) for line in lines[: history.start + 1]):
        return "\n".join(lines)
    if any(QUOTED_LOOSELY.match(line) for line in below):
        return _joined([*_trimmed(_unquoted(above)), *_answers(below, history.has_fields)])
    return _joined(_trimmed(_unquoted(above)))


class History(Struct, frozen=True):
    """The lines that introduce the quoted history; `has_fields`: as `From:`, `Sent:` and so on."""

    start: int
    end: int
    has_fields: bool = False


def _history(lines: Sequence[str]) -> History:
    """Return the first introduction of a quotation; without one it is at the end."""
    for index in _candidates(lines):
        if ORIGINAL_MARK.fullmatch(lines[index]):
            return History(index, index + 1, has_fields=True)
        window = [line.strip()[:MAX_LINE] for line in lines[index : index + WINDOW]]
        found = _header().match("\n".join(window)) or FIELDS.match("\n".join(window))
        if found is None:
            continue
        has_fields = FIELD.match(window[0]) is not None and "\n" in found[0]
        end = index + found[0].strip("\n").count("\n") + 1
        if _is_credible(found[0], lines[end : end + WINDOW], has_fields=has_fields):
            return History(index, end, has_fields)
    return History(len(lines), len(lines))


def _is_credible(header: str, below: Sequence[str], *, has_fields: bool) -> bool:
    """Return whether a mail program wrote this. People also write `From: Berlin` and `On Monday I wrote:`."""
    if "@" in header:
        return True
    if has_fields:
        return SENT.search(header) is not None
    has_quotes = any(QUOTED_LOOSELY.match(line) for line in below)
    return bool(TIME.search(header) or (has_quotes and re.search(r"\d", header)))


def _candidates(lines: Sequence[str]) -> Iterator[int]:
    """Yield lines that may begin a header: a mark, a field such as `From:`, or one soon before a final colon."""
    count = 0
    for index, line in enumerate(lines):
        if not line.strip() or QUOTED.match(line):
            continue
        ends = any(each.rstrip().endswith(COLONS) for each in lines[index : index + 3])
        if ends or FIELD.match(line) or line.lstrip().startswith(("--", "__")):
            count += 1
            yield index
        if count > MAX_CANDIDATES:
            return


def _unquoted(lines: Sequence[str]) -> list[str]:
    """Return the lines without quoted ones and without the line that introduces them, in any language."""
    kept: list[str] = []
    for line in lines:
        if not QUOTED.match(line):
            kept.append(line)
        elif kept and not QUOTED.match(kept[-1]):
            _drop_introduction(kept)
    return kept


def _drop_introduction(kept: list[str]) -> None:
    """Drop the last one to three lines if they say who wrote the quotation, and when."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    for count in range(1, 4):
        words = " ".join(kept[max(0, end - count) : end])
        if not words.rstrip().endswith(COLONS):
            return
        if len(words) < 3 * MAX_LINE and TIME.search(words):
            del kept[max(0, end - count) :]
            return


def _answers(lines: Sequence[str], has_fields: bool) -> list[str]:
    """Return what a person wrote between and below quoted lines; a signature below them is left out."""
    quoted = [index for index, line in enumerate(lines) if QUOTED_LOOSELY.match(line)]
    first, last = quoted[0] if has_fields else 0, quoted[-1]
    middle = [line for line in lines[first : last + 1] if not QUOTED_LOOSELY.match(line)]
    tail = list(lines[last + 1 :])
    sign = next((i for i, line in enumerate(tail) if SIGNATURE.fullmatch(line)), len(tail))
    return [*middle, *tail[:sign]]


def _trimmed(lines: list[str]) -> list[str]:
    """Return the lines without empty ones and rules at the end."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or RULE.fullmatch(lines[end - 1])):
        end -= 1
    return lines[:end]


def _joined(lines: Sequence[str]) -> str:
    """Join the lines, with one empty line where quoted lines left several."""
    joined = "\n".join(lines)
    return re.sub(r"\n(?:[ \t]*\n){2,}", "\n\n", joined).strip("\n")
