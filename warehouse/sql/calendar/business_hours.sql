-- One row per part of a day in which the business is open without a break.
-- key: opens_at
-- load: by calendar on opens_on
--
-- opens_on              day, in the schedule's zone
-- opens_at              start, UTC
-- closes_at             end, UTC
-- open_seconds          opens_at to closes_at
-- zone                  time zone of the schedule
-- schedule_valid_from   first day of the schedule's version; it is valid until the next one

select
    opens_on,
    opens_at,
    closes_at,
    date_diff(
        'second', date_trunc('second', opens_at), date_trunc('second', closes_at)
    ) as open_seconds,
    zone,
    schedule_valid_from
from open_parts
