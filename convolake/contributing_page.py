"""Prints `CONTRIBUTING.md` with the tables of `docs/glossary.md` in it: `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN = "<!-- glossary: printed by `make docs` from docs/glossary.md; do not edit -->\n"
END = "<!-- end of glossary -->\n"


def page() -> str:
    """Return the whole page. Raises ValueError if a marker is missing."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("CONTRIBUTING.md lacks a marker of the glossary")
    return f"{before}{BEGIN}\n{_tables()}\n{END}{after}"


def _tables() -> str:
    _, _, tables = (ROOT / "docs/glossary.md").read_text().partition("\n## ")
    return "### " + tables.replace("\n## ", "\n### ")


if __name__ == "__main__":
    sys.stdout.write(page())
