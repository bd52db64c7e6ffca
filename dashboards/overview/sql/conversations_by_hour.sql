-- One row per day of the week (1 is Monday) and hour of the reporting zone: conversations begun
-- in the period.

with

begun as (
    select
        conversations.created_at at time zone 'UTC'
        at time zone reporting.reporting_zone as began_at
    from conversations
    cross join reporting
    where
        not conversations.is_test
        and conversations.started_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), conversations.channel)
        )
        and (
            cast($bot_id as varchar) is null
            or conversations.bot_id = cast($bot_id as varchar)
        )
        and (
            cast($bot_version as varchar) is null
            or conversations.bot_version = cast($bot_version as varchar)
        )
)

select
    isodow(began_at) as weekday,
    hour(began_at) as hour,
    count(*) as conversations
from begun
group by isodow(began_at), hour(began_at)
order by weekday, hour
