-- One row: which days and channels the record has, and the zone of its days.

with

mentioned as (
    select
        active_on as day,
        channel
    from daily_activity
    union
    select
        started_on as day,
        channel
    from conversations
)

select
    min(mentioned.day) as first_on,
    max(mentioned.day) as last_on,
    coalesce(
        list(distinct mentioned.channel order by mentioned.channel)
        filter (where mentioned.channel is not null),
        cast([] as varchar[])
    ) as channels,
    (select max(reporting.reporting_zone) from reporting) as reporting_zone
from mentioned
