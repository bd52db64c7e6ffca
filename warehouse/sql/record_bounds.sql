-- One row: which days, channels, bots and bot versions the record has, and the zone of its days.

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
    (select coalesce(max(reporting.reporting_zone), 'UTC') from reporting) as reporting_zone,
    (
        select
            coalesce(
                list(distinct metric_daily.bot_id order by metric_daily.bot_id),
                cast([] as varchar[])
            )
        from metric_daily
        where metric_daily.bot_id <> ''
    ) as bots,
    (
        select
            coalesce(
                list(distinct metric_daily.bot_version order by metric_daily.bot_version),
                cast([] as varchar[])
            )
        from metric_daily
        where metric_daily.bot_version <> ''
    ) as bot_versions
from mentioned
