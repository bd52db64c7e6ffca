-- One row: how far the warehouse has come with the record.

select
    max(received_at) as newest_at,
    max(
        received_at at time zone 'UTC'
        at time zone (select max(reporting.reporting_zone) from reporting)
    ) as newest_at_local,
    count(*) as event_count
from events
