-- One row per step of the period ($grain: day, week or month): share of the conversations begun
-- in it that were handed off at any time since; null where none began.

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
        sum(conversations_started) as conversations,
        sum(conversations_handed_off) as handed_off
    from daily_activity
    where
        active_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), channel)
        )
    group by date_trunc($grain, active_on)
)

select
    steps.step_on,
    cast(coalesce(counted.conversations, 0) as bigint) as conversations,
    cast(coalesce(counted.handed_off, 0) as bigint) as handed_off,
    counted.handed_off / nullif(counted.conversations, 0) as handoff_share
from steps
left join counted on steps.step_on = counted.step_on
order by steps.step_on
