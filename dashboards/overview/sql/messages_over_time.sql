-- One row per step of the period ($grain: day, week or month) and role: public messages.

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
        sum(customer_messages) as customer,
        sum(bot_messages) as bot,
        sum(agent_messages) as agent,
        sum(messages - customer_messages - bot_messages - agent_messages) as system
    from daily_activity
    where
        active_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), channel)
        )
    group by date_trunc($grain, active_on)
),

roles as (
    select unnest(['customer', 'bot', 'agent', 'system']) as role
)

select
    steps.step_on,
    roles.role,
    cast(coalesce(
        case roles.role
            when 'customer' then counted.customer
            when 'bot' then counted.bot
            when 'agent' then counted.agent
            else counted.system
        end,
        0
    ) as bigint) as messages
from steps
cross join roles
left join counted on steps.step_on = counted.step_on
order by steps.step_on, roles.role
