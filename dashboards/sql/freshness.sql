-- One row: how far the warehouse has come with the record.

with

newest as (
    select
        max(received_at) as newest_at,
        count(*) as event_count
    from events
)

select
    newest.newest_at,
    newest.newest_at at time zone 'UTC'
    at time zone (select max(reporting.reporting_zone) from reporting) as newest_at_local,
    newest.event_count
from newest
