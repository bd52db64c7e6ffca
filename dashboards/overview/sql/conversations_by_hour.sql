-- One row per day of the week (1 is Monday) and hour of the reporting zone: conversations begun
-- in the period.

with

-- Quarters of an hour: since 1972 the offset of each zone is a number of them. To convert each time
-- takes longer than all the rest.
begun as (
    select
        time_bucket(interval 15 minutes, created_at) as quarter_at,
        count(*) as conversations
    from conversations
    where
        not is_test
        and started_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), channel)
        )
        and (cast($bot_id as varchar) is null or bot_id = cast($bot_id as varchar))
        and (
            cast($bot_version as varchar) is null
            or bot_version = cast($bot_version as varchar)
        )
    group by time_bucket(interval 15 minutes, created_at)
),

local as (
    select
        begun.quarter_at at time zone 'UTC' at time zone reporting.reporting_zone as began_at,
        begun.conversations
    from begun
    cross join reporting
)

select
    isodow(began_at) as weekday,
    hour(began_at) as hour,
    cast(sum(conversations) as bigint) as conversations
from local
group by isodow(began_at), hour(began_at)
order by weekday, hour
