"""Strings that anyone may write into a URL: SQL, JSON, paths, Unicode, wrong types, long ones, templates, markup.

`injections(500)` gives as many; the first are the known ones, the others are combined from parts by a seed.
"""

from random import Random

from tests.hostile_texts import hostile_texts

_SQL = (
    "'", '"', "\\", "';", "' or 1=1 --", "'; drop table messages; --", "1); delete from events; --",
    "' union select text from messages --", "$first_on", "$channels", "?", "%", "_", "%%%", "*",
    "null", "NULL", "select 1", "copy messages to 'x.csv'", "attach '/etc/passwd'", "/* */", "--",
    "1=1", "1;1", "' || text || '", "read_text('/etc/passwd')", "E'\\''", "x' collate nocase --",
    "lake.main.messages", "__ducklake_metadata_lake", "(select 1)", "[1,2]", "{'a': 1}",
)  # fmt: skip
_JSON = (
    "{}", "[]", "null", "true", '{"a":1}', '{"$gt":""}', '["web"]', '{"__proto__":{"x":1}}', '"', "{", "[[[[[[",
    "NaN", "Infinity", "-Infinity", "1e400", "0x10", "1_000", "٣", "²", "½", "①", "+1", "-1", "-0", "0",
    "1.5", "1e3", "00001", "999999999999999999999999", "9223372036854775808", "-9223372036854775809",
)  # fmt: skip
_DAYS = (
    "2030-13-01", "2030-02-30", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "-2030-01-01",
    "2030-W01-1", "20300101", "2030-01-01T00:00:00", "2030-01-01Z", "today", "now()", "1/1/2030", "٢٠٣٠-٠١-٠١",
    "2030-01-01 ", " 2030-01-01", "2030-01-01\n",
)  # fmt: skip
_PATHS = (
    "../../etc/passwd", "/etc/passwd", "..\\..\\windows", "file:///etc/passwd", "%2e%2e%2f", "....//", "~/.ssh",
    "C:\\", "\\\\host\\share", "/proc/self/environ", "page.py", "../page.py", ".", "..", "/", "//host/x",
    "http://169.254.169.254/", "s3://bucket/key",
)  # fmt: skip
_UNICODE = (
    "\x00", "a\x00b", "\ufffe", "\uffff", "\ud7ff", "\U0010ffff", "\u202e", "\u2028", "\u2029", "\ufeff", "\u200d",
    "é", "e\u0301", "ß", "İ", "ǅ", "ﬀ", "👩\u200d👩\u200d👧", "\x1b[31m", "\r\n", "\t", " ", "", "\u00a0", "\u3000",
    "a" * 201, "a" * 5_000, "' " * 2_000, "é" * 3_000, "[" * 1_000, "(" * 1_000, "%" * 1_000, "\\" * 1_000,
)  # fmt: skip
_PARTS = (
    "'",
    '"',
    "`",
    ";",
    "--",
    "\\",
    "%",
    "\x00",
    "\u202e",
    "../",
    "{{",
    "}}",
    "${",
    "<b>",
    "](",
    "or",
    "select",
    "1",
)


def injections(count: int) -> list[str]:
    """Return `count` different strings."""
    known = [*_SQL, *_JSON, *_DAYS, *_PATHS, *_UNICODE, *hostile_texts("http://127.0.0.1:9/x")]
    found = dict.fromkeys(known)
    random = Random(13)  # noqa: S311 (the same strings in every run)
    while len(found) < count:
        found["".join(random.choices(_PARTS, k=random.randrange(2, 9)))] = None
    return list(found)[:count]
