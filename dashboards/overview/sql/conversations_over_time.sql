-- One row per step of the period ($grain: day, week or month) and channel: conversations begun.

with

steps as (
    select cast(unnest(generate_series(
        date_trunc($grain, cast($first_on as date)),
        cast($last_on as date),
        case $grain
            when 'day' then interval 1 day
            when 'week' then interval 7 days
            else interval 1 month
        end
    )) as date) as step_on
),

counted as (
    select
        cast(date_trunc($grain, active_on) as date) as step_on,
        channel,
        sum(value_sum) as conversations
    from metric_daily
    where
        metric = 'conversations'
        and active_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), channel)
        )
        and (
            cast($bot_id as varchar) is null
            or bot_id = cast($bot_id as varchar)
        )
        and (
            cast($bot_version as varchar) is null
            or bot_version = cast($bot_version as varchar)
        )
    group by date_trunc($grain, active_on), channel
),

seen as (
    select distinct channel from counted
)

select
    steps.step_on,
    seen.channel,
    cast(coalesce(counted.conversations, 0) as bigint) as conversations
from steps
cross join seen
left join counted on steps.step_on = counted.step_on and seen.channel = counted.channel
order by steps.step_on, seen.channel
