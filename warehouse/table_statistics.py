"""Statistics for tables without a row: DuckLake has none until the first row is stored.

A connection keeps the statistics of a table that has them. Of any other table it asks the catalog again, about
ten times for each query: 8 ms for one empty table, more than a small table with rows costs.
"""

import duckdb

_FIND = """
create temp table without_statistics as
select table_id from __ducklake_metadata_lake.ducklake_table
where
    end_snapshot is null
    and table_id not in (select table_id from __ducklake_metadata_lake.ducklake_table_stats)
"""

_ADD = (
    """
    insert into __ducklake_metadata_lake.ducklake_table_stats
        (table_id, record_count, next_row_id, file_size_bytes)
    select table_id, 0, 0, 0 from without_statistics
    """,
    # Without bounds these are unknown; the first rows set them.
    """
    insert into __ducklake_metadata_lake.ducklake_table_column_stats (table_id, column_id)
    select table_id, column_id from __ducklake_metadata_lake.ducklake_column
    where end_snapshot is null and table_id in (select table_id from without_statistics)
    """,
)


def complete(con: duckdb.DuckDBPyConnection) -> int:
    """Add statistics to the tables that have none; return how many there were. Hold the write lock."""
    con.execute("begin")
    try:
        ((found,),) = con.execute(_FIND).fetchall()
        if found:
            for statement in _ADD:
                con.execute(statement)
        con.execute("drop table without_statistics")
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return int(found)
