-- One row per day and channel on which something happened. Tests are not counted.
-- key: active_on, channel
-- load: by active_on on active_on
--
-- active_on                  day in the reporting zone
-- channel                    channel
-- conversations_started      conversations that began on this day
-- conversations_handed_off   of those, the ones with a handoff at any time since
-- conversations_resolved     of those, the ones that are resolved now
-- sessions_started           sessions that began on this day
-- handoffs_requested         handoffs requested on this day
-- messages                   public messages of this day
-- customer_messages          of those, from customers
-- bot_messages               of those, from bots
-- agent_messages             of those, from agents

with

begun as (
    select
        started_on as active_on,
        channel,
        count(*) as conversations_started,
        count(*) filter (where is_handed_off) as conversations_handed_off,
        count(*) filter (where state = 'resolved') as conversations_resolved
    from conversations
    where not is_test
    group by started_on, channel
),

visited as (
    select
        started_on as active_on,
        channel,
        count(*) as sessions_started
    from sessions
    where not is_test
    group by started_on, channel
),

passed as (
    select
        requested_on as active_on,
        channel,
        count(*) as handoffs_requested
    from handoffs
    where not is_test
    group by requested_on, channel
),

said as (
    select
        happened_on as active_on,
        channel,
        count(*) as messages,
        count(*) filter (where participant_role = 'customer') as customer_messages,
        count(*) filter (where participant_role = 'bot') as bot_messages,
        count(*) filter (where participant_role = 'agent') as agent_messages
    from messages
    where not is_test and visibility = 'public'
    group by happened_on, channel
),

days as (
    select
        active_on,
        channel
    from begun
    union
    select
        active_on,
        channel
    from visited
    union
    select
        active_on,
        channel
    from passed
    union
    select
        active_on,
        channel
    from said
)

select
    days.active_on,
    days.channel,
    coalesce(begun.conversations_started, 0) as conversations_started,
    coalesce(begun.conversations_handed_off, 0) as conversations_handed_off,
    coalesce(begun.conversations_resolved, 0) as conversations_resolved,
    coalesce(visited.sessions_started, 0) as sessions_started,
    coalesce(passed.handoffs_requested, 0) as handoffs_requested,
    coalesce(said.messages, 0) as messages,
    coalesce(said.customer_messages, 0) as customer_messages,
    coalesce(said.bot_messages, 0) as bot_messages,
    coalesce(said.agent_messages, 0) as agent_messages
from days
left join begun on days.active_on = begun.active_on and days.channel = begun.channel
left join visited on days.active_on = visited.active_on and days.channel = visited.channel
left join passed on days.active_on = passed.active_on and days.channel = passed.channel
left join said on days.active_on = said.active_on and days.channel = said.channel
