-- The files of each table of the warehouse: of rows, and of deleted rows.

select
    table_name,
    file_count + delete_file_count as files,
    file_size_bytes + delete_file_size_bytes as bytes
from ducklake_table_info('lake')
where file_count > 0
order by bytes desc, table_name asc
