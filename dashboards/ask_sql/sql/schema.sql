-- Every table and view of the warehouse with its columns and what they mean.

with

relations as (
    select
        table_name,
        comment as one_row
    from duckdb_tables()
    where database_name = 'lake'
    union all
    select
        view_name as table_name,
        comment as one_row
    from duckdb_views()
    where database_name = 'lake'
)

select
    found.table_name,
    relations.one_row,
    found.column_name,
    lower(found.data_type) as data_type,
    columns.description
from duckdb_columns() as found
inner join relations on found.table_name = relations.table_name
left join
    columns on found.table_name = columns.table_name and found.column_name = columns.column_name
where found.database_name = 'lake'
order by found.table_name asc, found.column_index asc
