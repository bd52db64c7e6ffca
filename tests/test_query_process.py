"""A query runs in a process of its own: no attack reads or writes a file, and each ends in time and within its memory."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ingest.settings import Settings
from tests.beacon import Beacon
from tests.conftest import SEED
from tests.factories import Clock, Record, make_conversation
from tests.sql_attacks import REACHES, READS_A_FILE, TAKES_MEMORY, TAKES_TIME, WRITES
from warehouse.query_process import Answer, Limits, QueryError, RunningQuery

WORD = "hush-7261"
"""What a secret file has in it."""
QUICK = Limits(seconds=10.0)
BASE_MB = 250
"""Memory of the process itself, with its libraries and a result."""
ATTACKS = [*READS_A_FILE, *REACHES, *WRITES]


def sample(attacks: Sequence[str], count: int) -> list[str]:
    """All of them in `make prove`, else some by the seed of this run: each needs a process of its own."""
    if os.environ.get("PROVE"):
        return list(attacks)
    return random.Random(os.environ[SEED]).sample(list(attacks), count)  # noqa: S311


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    record = Record(Settings(data=tmp_path_factory.mktemp("queries") / "data"), Clock())
    record.publish(
        [event for number in range(40) for event in make_conversation(f"c{number}", messages=50)]
    )
    return record.settings


@pytest.fixture(scope="module")
def listener() -> Iterator[Beacon]:
    found = Beacon()
    yield found
    found.close()


def peak_mb(pid: int) -> int:
    """The largest memory that a running process has had so far; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) // 1024 if found else 0


def run(settings: Settings, query: str, limits: Limits = QUICK) -> tuple[Answer | str, int]:
    """The answer of a query or why there is none, and the peak of its memory in MB."""
    peak = 0
    with RunningQuery(settings.warehouse_path, query, limits) as running:
        try:
            while (answer := running.wait(0.02)) is None:
                peak = max(peak, peak_mb(running.pid))
        except QueryError as error:
            return f"{error} {error.detail}", peak
    return answer, peak


def answer_of(settings: Settings, query: str, limits: Limits = QUICK) -> Answer:
    answer, _ = run(settings, query, limits)
    assert isinstance(answer, Answer), answer
    return answer


def files_in(*folders: Path) -> dict[Path, int]:
    """Every file with its size, except those that SQLite keeps next to its own while it reads."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_size for path in found if not path.name.endswith(("-wal", "-shm"))}


def fill(query: str, settings: Settings, folder: Path, url: str) -> str:
    return query.format(
        secret=folder / "secret",
        folder=folder,
        files=f"{settings.warehouse_path / 'files'}/",
        store=settings.store_path,
        url=url,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("secret", "secret.csv"):
        (tmp_path / name).write_text(f"word\n{WORD}\n")
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("query", sample(ATTACKS, 25))
def test_a_query_reaches_nothing_but_the_tables(
    loaded: Settings, folder: Path, listener: Beacon, query: str
) -> None:
    before = files_in(loaded.data, folder)
    message, peak = run(loaded, fill(query, loaded, folder, listener.url))
    assert isinstance(message, str), message
    assert len(message) > 20
    assert WORD not in message
    assert "Traceback" not in message
    assert files_in(loaded.data, folder) == before
    assert listener.requests == []
    assert peak < BASE_MB


@pytest.mark.parametrize("query", READS_A_FILE)
def test_without_the_lock_the_same_query_reads_the_file(
    loaded: Settings, folder: Path, query: str
) -> None:
    """The control: the attack works where nothing stops it."""
    with duckdb.connect() as con:
        found = str(con.execute(fill(query, loaded, folder, "")).fetchall())
    assert WORD in found or "secret" in found or "content" in found or "word" in found


@pytest.mark.long
@pytest.mark.parametrize("query", sample(TAKES_MEMORY, 4))
def test_a_query_that_takes_memory_ends_within_its_limit(loaded: Settings, query: str) -> None:
    message, peak = run(loaded, query, Limits(seconds=15.0))
    assert isinstance(message, str), message
    assert any(each in message for each in ("MB", "seconds", "Lists larger"))
    assert peak < Limits().memory_mb + BASE_MB


@pytest.mark.long
@pytest.mark.parametrize("query", sample(TAKES_TIME, 2))
def test_a_query_that_takes_time_ends_in_time(loaded: Settings, query: str) -> None:
    started = time.monotonic()
    message, peak = run(loaded, query.replace("{{", "{").replace("}}", "}"), Limits(seconds=1.5))
    assert isinstance(message, str), message
    assert "after 1.5 seconds" in message or "MB" in message
    assert time.monotonic() - started < 15
    assert peak < Limits().memory_mb + BASE_MB


def test_there_are_at_least_sixty_attacks() -> None:
    attacks = [*ATTACKS, *TAKES_MEMORY, *TAKES_TIME]
    assert len(set(attacks)) == len(attacks) >= 60


def test_every_row_beyond_the_limit_is_counted_as_left_out(loaded: Settings) -> None:
    assert answer_of(loaded, "from range(100)", Limits(rows=100)).is_cut is False
    found = answer_of(loaded, "from range(101)", Limits(rows=100))
    assert (found.frame.height, found.is_cut) == (100, True)
    endless = answer_of(loaded, "from range(1000000000000)", Limits(rows=10))
    assert (endless.frame.height, endless.is_cut) == (10, True)


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from messages",
        "with m as (select 1 as a) select * from m;",
        "describe messages",
        "show tables",
        "show all tables",
        "summarize conversations",
        "explain select * from messages",
        "explain analyze select count(*) from messages",
        "from messages limit 3 -- done",
        "select * from conversations at (timestamp => now())",
        "from ducklake_snapshots('lake')",
        "pivot messages on participant_role in ('customer', 'bot') using count(*)",
    ],
)
def test_a_query_that_only_reads_tables_is_answered(loaded: Settings, query: str) -> None:
    assert answer_of(loaded, query).frame.height > 0


def test_the_answer_has_the_types_and_the_order_of_the_query(loaded: Settings) -> None:
    found = answer_of(
        loaded,
        "select i, i as i, sum(i) over () as total, [i] as list, interval 1 day as span, "
        "date '2030-01-01' as on, 1.5 as amount, null as none from range(5) t(i) order by i desc",
    ).frame
    assert found["i"].to_list() == [4, 3, 2, 1, 0]
    assert found.columns[:2] == ["i", "i_2"]
    assert found["total"].to_list() == [10] * 5
    assert found["list"][0] == "[4]"
    assert found["span"][0] == "1 day"
    assert found.schema["on"] == pl.Date
    assert found["none"].to_list() == [None] * 5


def test_an_error_names_the_place_and_what_could_be_meant(loaded: Settings) -> None:
    message, _ = run(loaded, "select channel,\n  participant_rol\nfrom messages")
    assert "LINE 2" in str(message)
    assert "participant_role" in str(message)
    assert 'near "selec"' in str(run(loaded, "selec 1")[0])
    assert "Could not convert" in str(run(loaded, "select cast(text as integer) from messages")[0])


def test_a_stopped_query_leaves_no_process(loaded: Settings) -> None:
    with RunningQuery(loaded.warehouse_path, TAKES_TIME[0]) as running:
        assert running.wait(1.0) is None
        pid = running.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()
    running.stop()


def test_the_process_has_no_secret_in_its_environment(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_API_KEY", WORD)
    with RunningQuery(loaded.warehouse_path, TAKES_TIME[0]) as running:
        assert running.wait(0.5) is None
        assert WORD.encode() not in Path(f"/proc/{running.pid}/environ").read_bytes()
