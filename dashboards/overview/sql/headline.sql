-- One row: the figures of the chosen period, of the period before, and the change between.
-- A change is null if the record does not reach back over the whole period before.

with

record as (
    select min(active_on) as began_on
    from daily_activity
),

periods as (
    select
        'current' as period,
        cast($first_on as date) as first_on,
        cast($last_on as date) as last_on
    union all
    select
        'before' as period,
        cast($before_first_on as date) as first_on,
        cast($before_last_on as date) as last_on
    from record
    where began_on <= cast($before_first_on as date)
),

activity as (
    select
        periods.period,
        coalesce(sum(daily_activity.conversations_started), 0) as conversations,
        coalesce(sum(daily_activity.messages), 0) as messages,
        coalesce(sum(daily_activity.sessions_started), 0) as sessions
    from periods
    left join daily_activity
        on
            daily_activity.active_on between periods.first_on and periods.last_on
            and (
                cast($channels as varchar[]) is null
                or list_contains(cast($channels as varchar[]), daily_activity.channel)
            )
    group by periods.period
),

-- The metric handoff_rate of the registry.
rates as (
    select
        periods.period,
        sum(metric_daily.numerator) / nullif(sum(metric_daily.denominator), 0) as handoff_rate
    from periods
    left join metric_daily
        on
            metric_daily.metric = 'handoff_rate'
            and metric_daily.active_on between periods.first_on and periods.last_on
            and (
                cast($channels as varchar[]) is null
                or list_contains(cast($channels as varchar[]), metric_daily.channel)
            )
    group by periods.period
),

-- The median of the metric pickup_wait.
waits as (
    select
        periods.period,
        median(handoffs.wait_seconds) as wait_seconds
    from periods
    left join handoffs
        on
            handoffs.requested_on between periods.first_on and periods.last_on
            and not handoffs.is_test
            and (
                cast($channels as varchar[]) is null
                or list_contains(cast($channels as varchar[]), handoffs.channel)
            )
    group by periods.period
),

figures as (
    select
        activity.period,
        cast(activity.conversations as bigint) as conversations,
        cast(activity.messages as bigint) as messages,
        cast(activity.sessions as bigint) as sessions,
        rates.handoff_rate,
        waits.wait_seconds
    from activity
    inner join rates on activity.period = rates.period
    inner join waits on activity.period = waits.period
)

select
    now.conversations,
    now.messages,
    now.sessions,
    now.handoff_rate,
    now.wait_seconds,
    before.conversations is not null as has_before,
    now.conversations / nullif(before.conversations, 0) - 1 as conversations_change,
    now.messages / nullif(before.messages, 0) - 1 as messages_change,
    now.sessions / nullif(before.sessions, 0) - 1 as sessions_change,
    now.handoff_rate - before.handoff_rate as handoff_rate_change,
    now.wait_seconds - before.wait_seconds as wait_seconds_change
from figures as now
left join figures as before on before.period = 'before'
where now.period = 'current'
