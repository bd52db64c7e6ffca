"""The command line: complete results, errors in one line, and queries that write nothing."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from convolake import api_client
from convolake.cli import app
from convolake.services import AddressError, PortTakenError, log_services
from dashboards.overview import charts
from ingest.log.storage.lock import acquire_log_lock
from ingest.settings import Settings
from tests.factories import Clock, Record, free_port, make_conversation


def convolake(settings: Settings, *arguments: str, text: str | None = None) -> Result:
    """Run a command in this process, on this data folder."""
    return CliRunner().invoke(
        app, arguments, env={"CONVOLAKE_DATA": str(settings.data)}, input=text
    )


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    found = convolake(settings, "sql", query, "--format", "json")
    assert found.exit_code == 0, found.stderr
    answer: list[dict[str, Any]] = json.loads(found.stdout)
    return answer


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse with one conversation of two messages; these tests only read it."""
    record = Record(Settings(data=tmp_path_factory.mktemp("loaded") / "data"), Clock())
    record.publish(make_conversation())
    return record.settings


@pytest.mark.parametrize(
    "query",
    [
        "from messages",
        "with told as (select text from messages) from told",
        "summarize messages",
        "describe messages",
        "show tables",
        "explain from messages",
        "explain analyze select count(*) from messages",
        "explain (format json) from messages",
        "from ducklake_snapshots('lake')",
        "select channel, count(*) from conversations group by all; -- done",
    ],
)
def test_every_kind_of_query_returns_a_result(loaded: Settings, query: str) -> None:
    for form in ("table", "csv", "json", "parquet"):
        assert convolake(loaded, "sql", query, "--format", form).exit_code == 0


def test_a_query_cannot_change_the_log(loaded: Settings) -> None:
    store = loaded.store_path
    before = store.read_bytes()
    for query in (
        f"attach '{store}' as l (type sqlite); delete from l.events",
        f"attach '{store}' as l (type sqlite)",
        f"from sqlite_scan('{store}', 'events')",
        f"""select (select max(position) from system.main."SQLITE_scan"('{store}', 'events'))""",
        f"from sqlite_attach('{store}')",
        f"from query('from sqlite' || '_scan(''{store}'', ''events'')')",
        f"from '{store}'",
    ):
        assert query_error(loaded, query)
    assert store.read_bytes() == before


def query_error(settings: Settings, query: str) -> str:
    """The error message of a query that fails without a traceback."""
    found = convolake(settings, "sql", query)
    assert found.exit_code == 1, query
    assert "Traceback" not in found.stderr
    assert isinstance(found.exception, SystemExit)
    return found.stderr


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{out}'",
        "explain analyze copy (select 1) to '{out}'",
        "explain /* */ analyze copy (select 1) to '{out}'",
        "copy (select 1) to '{files}/new.csv'",
        "explain analyze copy (select 1) to '{files}/new.csv'",
        "export database '{out}'",
        "select * from read_text('{secret}')",
        "select * from read_parquet('{secret}')",
        "from '{secret}'",
        "from glob('{parent}/*')",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "pragma threads = 1",
        "from con",
        "from settings",
        "delete from messages",
        "create temp table t as select 1",
        "select 1; select 2",
        "use memory",
        "begin",
        "checkpoint",
        "from force_checkpoint()",
        "from ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "from ducklake_merge_adjacent_files('lake')",
        "call lake.set_option('parquet_compression', 'zstd')",
        "",
    ],
)
def test_a_query_writes_no_file_and_reads_only_the_warehouse(
    loaded: Settings, tmp_path: Path, query: str
) -> None:
    (tmp_path / "secret.txt").write_text("hush")
    before = files_in(loaded, tmp_path)
    message = query_error(
        loaded,
        query.format(
            out=tmp_path / "out.csv",
            files=loaded.warehouse_path / "files",
            secret=tmp_path / "secret.txt",
            parent=tmp_path,
        )
        or " ",
    )
    assert "hush" not in message
    assert files_in(loaded, tmp_path) == before


def files_in(settings: Settings, *folders: Path) -> list[Path]:
    """Every file except those that SQLite keeps next to its own while it reads."""
    found = [path for folder in (settings.data, *folders) for path in folder.rglob("*.*")]
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm")))


def test_a_locked_down_reader_reads_files_that_a_later_load_writes(record: Record) -> None:
    from warehouse.lake import connect
    from warehouse.read_only_sql import lock_down

    record.publish(make_conversation("c1"))
    with connect(record.settings.warehouse_path) as con:
        lock_down(con, record.settings.warehouse_path)
        record.publish(make_conversation("c2"))
        assert con.execute("select count(*) from messages").fetchall() == [(4,)]


AWKWARD = (
    "select [1, 2] as list, interval 3 day as span, sum(i) as total, {'a': null} as pair, "
    "'say \"hi\", twice' as text, null as none, timestamptz '2030-01-01 10:00:00Z' as at "
    "from range(3) t(i)"
)


def test_json_is_one_array_with_every_type(loaded: Settings) -> None:
    assert rows(loaded, AWKWARD) == [
        {
            "list": [1, 2],
            "span": "3 days",
            "total": 3,
            "pair": {"a": None},
            "text": 'say "hi", twice',
            "none": None,
            "at": "2030-01-01 10:00:00+00",
        }
    ]
    assert rows(loaded, "select 1 as a, i from range(25000) t(i)")[-1] == {"a": 1, "i": 24_999}


def test_an_empty_result_in_json_is_an_empty_array(loaded: Settings) -> None:
    assert rows(loaded, "from messages where false") == []


def test_csv_has_a_text_for_every_type(loaded: Settings) -> None:
    found = convolake(loaded, "sql", AWKWARD, "--format", "csv")
    assert found.exit_code == 0, found.stderr
    header, values = csv.reader(io.StringIO(found.stdout))
    assert header == ["list", "span", "total", "pair", "text", "none", "at"]
    assert values == [
        "[1, 2]", "3 days", "3", "{'a': NULL}", 'say "hi", twice', "", "2030-01-01 10:00:00+00",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "json", "table", "parquet"])
def test_a_closed_pipe_causes_no_traceback(loaded: Settings, form: str) -> None:
    query = "select i, repeat('x', 90) as x from range(50000) t(i)"
    with subprocess.Popen(
        [sys.executable, "-m", "convolake", "sql", query, "--format", form],
        env={**os.environ, "CONVOLAKE_DATA": str(loaded.data)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def error_line(data: Path, *arguments: str, **variables: str) -> str:
    """Standard error of a command, in its own process, that exits with 1."""
    found = subprocess.run(
        [sys.executable, "-m", "convolake", *arguments],
        env={**os.environ, "CONVOLAKE_DATA": str(data), **variables},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert found.returncode == 1, found.stderr
    assert "Traceback" not in found.stderr
    return found.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["serve", "--port", "99999"], {}, "CONVOLAKE_PORT=99999"),
        (["serve"], {"CONVOLAKE_PORT": "abc"}, "CONVOLAKE_PORT=abc"),
        (["load"], {"CONVOLAKE_REPORTING_ZONE": "Mars/Olympus"}, "CONVOLAKE_REPORTING_ZONE"),
        (["verify"], {"CONVOLAKE_REPORTING_ZONE": "localtime"}, "give a name such as"),
        (["verify"], {"CONVOLAKE_SESSION_ROLES": "robot"}, "CONVOLAKE_SESSION_ROLES=robot: "),
        (["verify"], {"CONVOLAKE_HANDOFF_REASONS": "[a"}, "give a list as a,b"),
        (["serve"], {"CONVOLAKE_STORE_URL": "mysql://me:hush@there/log"}, "or sqlite:///PATH"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], words: str
) -> None:
    line = error_line(tmp_path / "data", *arguments, **variables)
    assert words in line
    assert len(line.splitlines()) == 1
    assert "hush" not in line


@pytest.mark.parametrize("command", ["serve", "load", "keys list"])
def test_an_invalid_data_folder_is_reported_in_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "data").write_text("a file")
    assert "CONVOLAKE_DATA" in error_line(tmp_path / "data", *command.split())


@pytest.mark.parametrize("command", ["verify", "load", "keys list"])
def test_an_invalid_store_is_reported_in_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "log.sqlite").write_text("not a database, but long enough to be read as one" * 20)
    assert "CONVOLAKE_DATA" in error_line(tmp_path, *command.split())


def test_a_failed_load_prints_the_reason_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "manifest.jsonl").write_text("broken\n")
    lines = error_line(tmp_path, "load")
    assert "line 1: not a manifest entry" in lines


def test_ctrl_c_during_the_start_exits_cleanly() -> None:
    interrupted = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from convolake.__main__ import main\n"
        "main()\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", interrupted], capture_output=True, text=True, check=False
    )
    assert (found.returncode, "Traceback" in found.stderr) == (130, False)


def test_up_and_serve_name_the_process_that_locks_the_data_folder(settings: Settings) -> None:
    with acquire_log_lock(settings):
        line = error_line(settings.data, "serve", CONVOLAKE_PORT=str(free_port()))
    assert "another API process writes the log" in line
    assert "First API key" not in line


def test_a_used_port_and_a_foreign_address_have_different_errors() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortTakenError):
            log_services(Settings(port=other.getsockname()[1]))
    with pytest.raises(AddressError, match=r"cannot listen on 192\.0\.2\.1") as caught:
        log_services(Settings(host="192.0.2.1", port=free_port()))
    assert not isinstance(caught.value, PortTakenError)
    with pytest.raises(AddressError, match=r"no\.such\.host\.invalid"):
        log_services(Settings(host="no.such.host.invalid"))


@pytest.mark.parametrize("source", ["", "two words", "convolake", "a\n"])
def test_a_key_cannot_have_an_invalid_source(settings: Settings, source: str) -> None:
    found = convolake(settings, "keys", "create", source)
    assert found.exit_code == 1
    assert "cannot be a source" in found.stderr
    assert convolake(settings, "keys", "list").stdout == ""


def test_simulate_without_an_amount_says_what_to_give(settings: Settings) -> None:
    found = convolake(settings, "simulate")
    assert found.exit_code == 2
    assert "--days" in found.stderr


def test_the_local_key_stays_on_this_machine(record: Record) -> None:
    settings = record.settings
    with pytest.raises(api_client.MissingKeyError, match="CONVOLAKE_API_KEY"):
        api_client.open_client(
            settings.model_copy(update={"api_url": "http://example.invalid:8000"})
        )
    assert not settings.local_key_path.exists()
    api_client.open_client(settings.model_copy(update={"api_url": settings.local_url})).close()
    assert settings.local_key_path.exists()


def test_an_unknown_channel_has_a_colour() -> None:
    colours = charts.channel_colours(["web"])
    shares = pl.DataFrame({"channel": ["web", "fax"], "handoff_rate": [0.1, 0.2]})
    shares = shares.with_columns(conversations=10, handed_off=1, handoffs=1)
    drawn = charts.handoff_rate_by_channel(shares, colours).to_dict()
    assert drawn == charts.handoff_rate_by_channel(shares, colours).to_dict()


def test_keys_are_created_listed_and_revoked(settings: Settings) -> None:
    def keys(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, ["keys", *arguments], env={"CONVOLAKE_DATA": str(settings.data)}
        )

    key = keys("create", "mybot").stdout.strip()
    listed = keys("list").stdout
    assert "mybot" in listed
    assert key not in listed
    assert keys("revoke", key.split("_")[1]).exit_code == 0
    assert "revoked" in keys("list").stdout
    assert keys("revoke", "nothing").exit_code == 1


@pytest.mark.parametrize(
    "given", ["refund, complaint", '["refund", "complaint"]', "complaint,,refund,"]
)
def test_a_list_in_a_setting_is_separated_by_commas_or_is_json(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_HANDOFF_REASONS", given)
    assert Settings().handoff_reasons == {"refund", "complaint"}
