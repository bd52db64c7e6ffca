-- One row per step of the period ($grain: day, week or month): the metric handoff_rate; null where
-- no final demand opened.

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
        sum(denominator) as episodes,
        sum(numerator) as handed_off
    from metric_daily
    where
        metric = 'handoff_rate'
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
    group by date_trunc($grain, active_on)
)

select
    steps.step_on,
    cast(coalesce(counted.episodes, 0) as bigint) as episodes,
    cast(coalesce(counted.handed_off, 0) as bigint) as handed_off,
    counted.handed_off / nullif(counted.episodes, 0) as handoff_rate
from steps
left join counted on steps.step_on = counted.step_on
order by steps.step_on
