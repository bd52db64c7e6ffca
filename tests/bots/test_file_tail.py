"""A log file is read to its last line through rotations, and once through restarts."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolake.file_tail import FileTail, Place

Follow = Callable[..., FileTail]


@pytest.fixture
def follow(log: Path) -> Iterator[Follow]:
    """Opens tails of the log, and closes them at the end."""
    with ExitStack() as opened:
        yield lambda place=None: opened.enter_context(FileTail(log, place))


def read_all(tail: FileTail) -> tuple[list[bytes], Place | None]:
    lines, place = list[bytes](), None
    while (found := tail.read(64)) is not None:
        lines += found.lines
        place = found.place
    return lines, place


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.writelines(line + b"\n" for line in lines)


def rename(path: Path) -> None:
    for number in range(8, 0, -1):
        if (old := path.with_name(f"{path.name}.{number}")).exists():
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def copy_and_empty(path: Path) -> None:
    shutil.copy(path, path.with_name(f"{path.name}.1"))
    path.write_bytes(b"")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.log"


def test_a_file_that_does_not_exist_yet_is_read_when_it_does(log: Path, follow: Follow) -> None:
    tail = follow()
    assert tail.read() is None
    append(log, b"one")
    assert read_all(tail)[0] == [b"one"]


def test_a_line_that_is_half_written_is_read_when_it_is_whole(log: Path, follow: Follow) -> None:
    tail = follow()
    log.write_bytes(b"one\ntw")
    assert read_all(tail)[0] == [b"one"]
    append(log, b"o")
    assert read_all(tail)[0] == [b"two"]


def test_lines_have_their_numbers(log: Path, follow: Follow) -> None:
    append(log, b"one", b"two")
    tail = follow()
    first = tail.read()
    append(log, b"three")
    second = tail.read()
    assert first
    assert second
    assert (first.first, second.first, second.lines) == (1, 3, [b"three"])


@pytest.mark.parametrize("rotate", [rename, copy_and_empty])
def test_a_rotation_loses_and_doubles_nothing(
    log: Path, follow: Follow, rotate: Callable[[Path], None]
) -> None:
    tail = follow()
    append(log, b"one")
    assert read_all(tail)[0] == [b"one"]
    rotate(log)
    append(log, b"2")
    assert read_all(tail)[0] == [b"2"]


def test_files_that_are_moved_away_between_two_reads_are_read_in_full(
    log: Path, follow: Follow
) -> None:
    tail = follow()
    append(log, b"one")
    assert read_all(tail)[0] == [b"one"]
    for line in (b"two", b"three", b"four"):
        append(log, line)
        rename(log)
    append(log, b"five")
    assert read_all(tail)[0] == [b"two", b"three", b"four", b"five"]


def test_the_end_of_a_rotated_file_is_a_line_also_without_its_end(
    log: Path, follow: Follow
) -> None:
    tail = follow()
    log.write_bytes(b"one\nlast")
    assert read_all(tail)[0] == [b"one"]
    rename(log)
    append(log, b"new")
    assert read_all(tail)[0] == [b"last", b"new"]


def test_rotations_during_a_restart_are_read_in_order(log: Path, follow: Follow) -> None:
    append(log, b"one")
    lines, place = read_all(follow())
    append(log, b"two")
    rename(log)
    append(log, b"three")
    rename(log)
    append(log, b"four")
    tail = follow(place)
    assert not tail.is_gap
    assert lines + read_all(tail)[0] == [b"one", b"two", b"three", b"four"]


def test_a_file_that_is_gone_is_a_gap_and_the_new_one_is_read(log: Path, follow: Follow) -> None:
    append(log, b"one")
    _, place = read_all(follow())
    log.unlink()
    append(log, b"other")
    tail = follow(place)
    assert tail.is_gap
    assert read_all(tail)[0] == [b"other"]


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.sampled_from(["write", "rename", "restart", "read"]), max_size=25))
def test_any_course_gives_every_line_once_in_order(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("tail") / "events.log"
    opened, place = ExitStack(), None
    tail = opened.enter_context(FileTail(log))
    written, found, renames = list[bytes](), list[bytes](), 0
    for step in [*steps, "read"]:
        if step == "write":
            written.append(b"line %d" % len(written))
            append(log, written[-1])
        elif step == "rename" and log.exists() and renames < 8 and place is not None:
            rename(log)
            renames += 1
        elif step == "restart":
            opened.close()
            tail = opened.enter_context(FileTail(log, place))
        elif step == "read":
            lines, new = read_all(tail)
            found += lines
            place = new or place
    opened.close()
    assert found == written
