"""Prose is plain modern English: words and turns that readers have to translate are not used.

The list holds what an earlier version of this project really said; `docs/glossary.md` has the terms to use.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ("convolake", "dashboards", "ingest", "pipelines", "warehouse", "benchmarks", "tests")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs")
GENERATED = {"docs/proof.md", "benchmarks/results.md"}
"""Printed by `make prove` and `make bench`, from text that is checked where it is written."""

BANNED = (
    r"whoever", r"whomever", r"whosoever", r"anew", r"afresh", r"lest", r"hence", r"thus", r"thence", r"whence",
    r"wherein", r"therein", r"thereof", r"whereof", r"henceforth", r"heretofore", r"hitherto", r"ere", r"nigh", r"forsooth",
    r"in vain", r"reckons?", r"reckoned", r"made good", r"(?:is|are|was|were|be|been) told (?:of|that|about|nothing)",
    r"tells? of", r"telling of", r"lets? go", r"letting go", r"at the door", r"the door", r"one door",
    r"of (?:ours|theirs)", r"by (?:itself|themselves)",
    r"so long and no longer", r"for so long", r"so often", r"(?:at most|at least) so (?:many|much|often|long)",
    r"so (?:many|much) (?:are|is|may|can|of|bytes|events|seconds|rows|characters)", r"for ever", r"no sooner",
    r"come back", r"comes back", r"came back", r"stands (?:for|in|on|still|where|at)", r"stood", r"goes on", r"went on", r"go on",
    r"what (?:came|comes|goes|went|waits|waited|became|becomes) (?!from|to)\w+",
    r"nobody", r"somebody", r"(?<!-)beside", r"ever less", r"cannot but", r"is to be", r"are to be", r"were to be",
    r"have (?:it|them|all|everything|something) \w+ed", r"out of time", r"given up", r"gives? up", r"lies? in",
    r"looked? (?:through|at|anew|after)", r"looks? (?:through|anew|after)", r"a look", r"all else", r"else than", r"save for",
    r"refus(?:e|es|ed|al[s]?)", r"came in", r"was asked about", r"at hand", r"without a hole", r"in mind", r"all the same",
)  # fmt: skip
PATTERN = re.compile(rf"\b(?:{'|'.join(BANNED)})\b", re.IGNORECASE)
SUBJECT = re.compile(r'(?:^|[.;:]\s|""")What (?:is|was|has|waits|came|they|it)\b')
"""A clause as the subject of a sentence: «What is rejected is kept» for «Rejected events are kept»."""

BECAUSE = re.compile(r"[,;] for (?:it|they|he|she|we|you|there|this|that|what|nobody|all)\b")
"""«for» in the sense of «because»."""


def _python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield comments, docstrings and other strings with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line
        elif token.type == tokenize.NAME and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.suffix == ".py":
        yield from _python(path)
    elif path.suffix == ".sql":
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.lstrip().startswith("--"):
                yield number, line
    else:
        yield from enumerate(path.read_text().splitlines(), 1)


def _files() -> list[Path]:
    found = [
        path for name in CODE for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".sql")
    ]
    for name in PAGES:
        path = ROOT / name
        found += path.rglob("*.md") if path.is_dir() else [path]
    own = Path(__file__)
    stories = ROOT / "convolake/stories"  # what simulated customers say is theirs
    return sorted(
        path
        for path in found
        if path != own
        and path.relative_to(ROOT).as_posix() not in GENERATED
        and not (stories in path.parents and path.name in ("topics.py", "translations.py"))
        and "versions" not in path.parts
        and "generated" not in path.parts  # clients that `make check-api` generates
    )


def archaic_turns(path: Path) -> list[str]:
    """Return each banned turn in a file, with its line."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group(0)!r} in {line.strip()[:100]}"
        for number, line in _lines(path)
        for match in (*PATTERN.finditer(line), *BECAUSE.finditer(line), *SUBJECT.finditer(line))
    ]


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_is_plain_modern_english(path: Path) -> None:
    assert archaic_turns(path) == []


def test_the_check_finds_what_it_bans(tmp_path: Path) -> None:
    sentences = (
        "whoever comes is told of it",
        "it is made anew, for nobody knows",
        "so often as it may",
    )
    for sentence in sentences:
        assert PATTERN.search(sentence) or BECAUSE.search(sentence), sentence
