-- One row: the values on record that the filters of the list offer, the most frequent first.

with

counted as (
    select
        'reason' as filter,
        reason as name,
        count(*) as uses
    from handoffs
    group by reason
    union all
    select
        'queue' as filter,
        queue as name,
        count(*) as uses
    from handoffs
    group by queue
    union all
    select
        'agent_id' as filter,
        agent_id as name,
        count(*) as uses
    from handoffs
    group by agent_id
    union all
    select
        'outcome' as filter,
        outcome as name,
        count(*) as uses
    from handoffs
    group by outcome
    union all
    select
        'bot_id' as filter,
        bot_id as name,
        count(*) as uses
    from conversations
    group by bot_id
    union all
    select
        'bot_version' as filter,
        bot_version as name,
        count(*) as uses
    from conversations
    group by bot_version
)

select
    filter,
    list(name order by uses desc, name asc) as names
from counted
where name is not null
group by filter
