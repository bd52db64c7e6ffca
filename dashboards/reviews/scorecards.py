"""Scorecards as the page shows them: names of points, rows of the editor, the default one."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from ingest.client import Category, Scorecard

POINTS = {
    2: ("Fail", "Pass"),
    3: ("Poor", "Fair", "Good"),
    4: ("Poor", "Fair", "Good", "Excellent"),
    5: ("Very poor", "Poor", "Fair", "Good", "Excellent"),
}
"""Names of the points of each scale, the worst first."""

DEFAULT_NAME = "service"

DEFAULT = [
    Category(
        id="understanding", title="Understood what the customer wanted", group="Solution",
        weight=2.0, scale=3, causes=["Wrong intent", "Ignored context", "No clarifying question"],
    ),
    Category(
        id="correctness", title="The answer is correct and complete", group="Solution",
        weight=3.0, scale=3, criticality="group",
        causes=["Wrong", "Outdated", "Incomplete", "Invented"],
    ),
    Category(
        id="resolution", title="The demand was met, or handed off in time", group="Solution",
        weight=2.0, scale=3, causes=["Not solved", "Handed off too late", "Needless handoff"],
    ),
    Category(
        id="tone", title="Tone and language", group="Communication",
        weight=1.0, scale=3, causes=["Unfriendly", "Unclear", "Too long", "Language mistakes"],
    ),
    Category(
        id="process", title="Followed the process", group="Communication",
        weight=1.0, scale=2, causes=["Step skipped", "Wrong queue", "Missing note"],
    ),
    Category(
        id="privacy", title="Privacy and safety", group="Compliance",
        weight=1.0, scale=2, allows_not_applicable=False, criticality="review",
        causes=["Identity not checked", "Data disclosed", "Unsafe advice"],
    ),
]  # fmt: skip
"""A scorecard to begin with."""

COLUMNS = ("title", "group", "weight", "scale", "allows_not_applicable", "criticality", "causes")

Row = dict[str, Any]


def point_of(rating: float | None, scale: int) -> str:
    """Return the name of a rating on its scale."""
    if rating is None:
        return "Not applicable"
    return POINTS[scale][round(rating * (scale - 1))]


def find(scorecards: Iterable[Scorecard], name: str, version: int) -> Scorecard | None:
    """Return a version of a scorecard; None if it is not published."""
    found = (each for each in scorecards if (each.name, each.version) == (name, version))
    return next(found, None)


def newest(scorecards: Iterable[Scorecard]) -> dict[str, Scorecard]:
    """Return the highest version of each scorecard, by name."""
    ordered = sorted(scorecards, key=lambda each: each.version)
    return dict(sorted({each.name: each for each in ordered}.items()))


def to_rows(categories: Sequence[Category]) -> list[Row]:
    """Return a row for the editor of each category; its causes in one text, with commas."""
    return [
        {"id": each.id, **{name: getattr(each, name) for name in COLUMNS}}
        | {"causes": ", ".join(each.causes)}
        for each in categories
    ]


def from_rows(rows: Iterable[Row]) -> list[Category]:
    """Return the categories of the editor's rows; rows without a title are left out.

    A row without an id gets one that is made of its title. A row that was never filled in has the defaults.
    """
    categories: list[Category] = []
    for row in rows:
        title = str(row.get("title") or "").strip()
        if title:
            taken = {each.id for each in categories}
            categories.append(_category(row, title, taken))
    return categories


def _category(row: Row, title: str, taken: set[str]) -> Category:
    return Category(
        id=row.get("id") or make_id(title, taken),
        title=title,
        group=str(row.get("group") or "").strip(),
        weight=_number(row.get("weight"), 1.0),
        scale=int(_number(row.get("scale"), 3)),
        allows_not_applicable=row.get("allows_not_applicable") is not False,
        criticality=row.get("criticality") or "none",
        causes=[each.strip() for each in str(row.get("causes") or "").split(",") if each.strip()],
    )


def _number(given: float | None, default: float) -> float:
    return default if given is None else float(given)


def make_id(title: str, taken: Iterable[str] = ()) -> str:
    """Return an id (`[a-z][a-z0-9_]*`, at most 32 characters) for a title that no other category has."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    base = (words if words[:1].isalpha() else f"c_{words}".rstrip("_"))[:28].rstrip("_")
    known, number, found = set(taken), 2, base
    while found in known:
        found, number = f"{base}_{number}", number + 1
    return found
