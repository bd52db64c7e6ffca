"""The documents tell the truth: printed pages are current, names exist, commands run."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from convolake import contributing_page, event_log_page, metrics_page
from convolake.cli import app
from convolake.live_reference import EXAMPLES, sockets
from convolake.reference import error_types, reference
from ingest import errors
from ingest.contract import COLUMNS
from ingest.delivery.live import protocol
from ingest.delivery.live.protocol import CloseCode
from ingest.events.types import EVENT_TYPES
from ingest.settings import Settings
from warehouse.model import models

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
README = (ROOT / "README.md").read_text()


def test_the_reference_is_what_the_code_prints() -> None:
    assert (ROOT / "docs/reference.md").read_text() == reference(), "run `make docs`"


def test_the_event_log_page_shows_the_real_files() -> None:
    assert (ROOT / "docs/event-log.md").read_text() == event_log_page.page(), "run `make docs`"


def test_the_metrics_page_is_what_the_registry_says() -> None:
    page = "\n".join(metrics_page.page()).rstrip() + "\n"
    assert (ROOT / "docs/metrics.md").read_text() == page, "run `make docs`"


def test_contributing_contains_the_glossary() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert page == contributing_page.page(), "run `make docs`"
    assert "| unit of work |" in page


def test_everything_that_has_a_name_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference.md").read_text()
    names = [f"CONVOLAKE_{name.upper()}" for name in Settings.model_fields]
    names += [
        *EVENT_TYPES,
        *(column.name for column in COLUMNS),
        *(kind.code for kind in error_types()),
    ]
    names += [route.path_format for route in sockets()]
    names += [field.alias for route in sockets() for field in route.dependant.query_params]
    names += [f"| {close.value} |" for close in CloseCode]
    names += [name for model in models() for name in (model.name, *model.columns)]
    assert [name for name in names if name not in page] == []


def test_every_frame_and_close_code_of_a_socket_is_in_the_reference() -> None:
    made = {name for name in vars(protocol) if name.endswith("_frame")}
    assert made == {make.__name__ for make in EXAMPLES}
    sources = [
        path
        for path in (ROOT / "ingest").rglob("*.py")
        if path.name not in ("protocol.py", "openapi_document.py")
    ]
    loose = re.compile(r'close\(\d|"code": \d|"type": ?"(?!websocket\.)')
    assert [
        path for path in sources if "socket" in path.read_text() and loose.search(path.read_text())
    ] == []


def test_every_error_is_in_the_tree_and_has_a_unique_code() -> None:
    kinds = error_types()
    own = [kind.__name__ for kind in kinds if kind.__module__ == errors.__name__]
    assert [name for name in own if name not in (errors.__doc__ or "")] == []
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_the_page_has_every_error() -> None:
    found = [errors.IngestError]
    for kind in found:
        found += [each for each in kind.__subclasses__() if each.__module__.startswith("ingest.")]
    assert set(found) == set(error_types())


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_readme_names_every_command_and_no_other() -> None:
    group = get_command(app)
    names = {name for name, command in group.commands.items() if not command.hidden}  # type: ignore[attr-defined]
    assert set(re.findall(r"^\| `convolake (\w+)", README, re.MULTILINE)) == names


@pytest.mark.parametrize(
    "line",
    sorted(set(re.findall(r"^\| `convolake ([\w ]+?)(?: FILE| --.*)?`", README, re.MULTILINE))),
)
def test_every_command_of_the_readme_has_a_help_text(line: str) -> None:
    result = CliRunner().invoke(app, [*line.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_of_the_documents_exists() -> None:
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= make_targets(), page


def test_make_help_lists_every_target() -> None:
    output = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make ([a-z-]+) ", output.stdout, re.MULTILINE)) == make_targets()


def test_links_between_documents_have_targets() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_files_named_in_the_documents_exist() -> None:
    roots = "ingest|warehouse|pipelines|dashboards|convolake|tests|docs|benchmarks"
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    named = [
        (page, name)
        for page in pages
        for name in re.findall(rf"`((?:{roots})/[\w/.-]+)`", page.read_text())
    ]
    assert len({page for page, _ in named}) >= 5
    assert [(page.name, name) for page, name in named if not (ROOT / name).exists()] == []


def test_the_path_of_a_message_is_as_long_as_the_page_says() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.split("## The path of a message", 1)[1].split("\n## ", 1)[0]
    table, _, rest = section.partition("That is ")
    files = set(re.findall(r"`([\w/]+\.(?:py|sql))`", table))
    assert int(rest.split()[0]) == len(files)


def test_every_runtime_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [\n", 1)[1].split("\n]", 1)[0]
    assert [line for line in block.splitlines() if "#" not in line] == []
    locked = (ROOT / "requirements.lock").read_text()
    for requirement in tomllib.loads(text)["project"]["dependencies"]:
        name = re.split(r"[=;<> ]", requirement)[0]
        assert re.search(rf"^{name}(\[\w+\])?==", locked, re.MULTILINE), name


def test_nothing_that_is_tracked_is_big_or_names_a_machine() -> None:
    """Places of one machine, and hosts of package registries, do not belong into the project."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    places = re.compile("/(work|root|home)/[a-z]|py" + r"pi\.org|pythonhos" + "ted")
    for name in tracked.splitlines():
        path = ROOT / name
        if not path.is_file():
            continue
        assert path.stat().st_size < 1_000_000, name
        if path.suffix != ".png":
            assert not places.search(path.read_text()), name
