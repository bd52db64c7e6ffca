"""Tables without a row: they cost a reader no more than others, and rows that come later are found."""

from typing import Any

import duckdb

from tests.factories import Record, make_event
from warehouse import table_statistics
from warehouse.lake import connect, write_lock

PEOPLE = ("ada", "bob", "eve")
WITHOUT = """
select count(*) from __ducklake_metadata_lake.ducklake_table
where
    end_snapshot is null
    and table_id not in (select table_id from __ducklake_metadata_lake.ducklake_table_stats)
"""


def talk(record: Record) -> None:
    """Load a conversation of each of the PEOPLE; nothing was merged."""
    record.publish(
        [{"event_type": "contact.created", "contact_id": each} for each in PEOPLE]
        + [
            make_event("conversation.created", conversation_id=f"with-{each}", contact_id=each)
            for each in PEOPLE
        ]
    )


def merge(record: Record, contact: str, into: str) -> None:
    merged = {"event_type": "contact.merged", "contact_id": contact, "payload": {"into": into}}
    record.publish([merged])


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


def lookups(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return how often a query that ran before asks the catalog for the statistics of a table."""
    con.execute(sql).fetchall()
    con.execute("call enable_logging('QueryLog', storage = 'memory')")
    con.execute("call truncate_duckdb_logs()")
    con.execute(sql).fetchall()
    asked = "select count(*) from duckdb_logs where message like '%ducklake_table_column_stats%' and message not like '%duckdb_logs%'"
    ((found,),) = con.execute(asked).fetchall()
    con.execute("call disable_logging()")
    return int(found)


def test_a_query_of_an_empty_table_does_not_ask_for_its_statistics_again(record: Record) -> None:
    talk(record)
    with connect(record.settings.warehouse_path) as con:
        assert rows(con, "select count(*) from contact_merges") == [(0,)]
        assert lookups(con, "select * from merged_contacts") == 0


def test_without_statistics_each_query_asks_again(record: Record) -> None:
    talk(record)
    with connect(record.settings.warehouse_path, read_only=False) as con:
        con.execute(
            "delete from __ducklake_metadata_lake.ducklake_table_stats where record_count = 0"
        )
    with connect(record.settings.warehouse_path) as con:
        assert lookups(con, "select * from merged_contacts") > 5


def test_the_first_rows_of_an_empty_table_are_found_by_each_condition(record: Record) -> None:
    talk(record)
    with connect(record.settings.warehouse_path) as reader:
        assert rows(reader, "select * from merged_contacts") == []
        merge(record, "ada", "bob")
        merge(record, "bob", "eve")
        for con in (reader, connect(record.settings.warehouse_path)):
            found = "select contact_id, person_id from merged_contacts order by 1"
            assert rows(con, found) == [("ada", "eve"), ("bob", "eve")]
            assert rows(con, "select count(*) from contact_merges") == [(2,)]
            for low, high in (("a", "azz"), ("b", "bzz"), ("c", "z")):
                named = f"contact_id between '{low}' and '{high}'"
                assert rows(con, f"select count(*) from contact_merges where {named}") == [
                    (sum(low <= each <= high for each in ("ada", "bob")),)
                ]
            assert rows(con, "select count(*) from contact_merges where contact_id is null") == [
                (0,)
            ]


def test_every_table_has_statistics_after_a_load(record: Record) -> None:
    talk(record)
    with connect(record.settings.warehouse_path) as con:
        assert rows(con, WITHOUT) == [(0,)]


def test_a_warehouse_of_an_earlier_version_gets_them_with_the_next_load(record: Record) -> None:
    talk(record)
    warehouse = record.settings.warehouse_path
    with connect(warehouse, read_only=False) as con:
        for table in ("ducklake_table_stats", "ducklake_table_column_stats"):
            ids = "select table_id from __ducklake_metadata_lake.ducklake_table where table_name = 'contact_merges'"
            con.execute(f"delete from __ducklake_metadata_lake.{table} where table_id in ({ids})")
        assert rows(con, WITHOUT) == [(1,)]
    record.load()
    with write_lock(warehouse), connect(warehouse, read_only=False) as con:
        assert rows(con, WITHOUT) == [(0,)]
        assert table_statistics.complete(con) == 0
