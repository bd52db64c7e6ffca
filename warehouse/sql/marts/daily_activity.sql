-- One row per day and channel on which something happened. Tests are not counted.
-- key: active_on, channel
-- load: by active_on on active_on
--
-- active_on                  day in the reporting zone
-- channel                    channel
-- conversations_started      conversations that began on this day
-- conversations_handed_off   of those, the ones with a handoff at any time since
-- conversations_resolved     conversations that were resolved on this day, also if reopened later
-- sessions_started           sessions that began on this day
-- handoffs_requested         handoffs requested on this day
-- messages                   public messages of this day
-- customer_messages          of those, from customers
-- bot_messages               of those, from bots
-- agent_messages             of those, from agents

with

new_conversations as (
    select
        started_on as active_on,
        channel,
        count(*) as conversations_started,
        count(*) filter (where is_handed_off) as conversations_handed_off
    from conversations
    where not is_test
    group by started_on, channel
),

resolved as (
    select
        resolved_on as active_on,
        channel,
        count(distinct conversation_id) as conversations_resolved
    from resolutions
    where not is_test
    group by resolved_on, channel
),

new_sessions as (
    select
        started_on as active_on,
        channel,
        count(*) as sessions_started
    from sessions
    where not is_test
    group by started_on, channel
),

new_handoffs as (
    select
        requested_on as active_on,
        channel,
        count(*) as handoffs_requested
    from handoffs
    where not is_test
    group by requested_on, channel
),

counted_messages as (
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
    union all
    select
        active_on,
        channel,
        message_count,
        customer_message_count,
        bot_message_count,
        agent_message_count
    from capped_activity
    where not is_test and message_count > 0
),

new_messages as (
    select
        active_on,
        channel,
        cast(sum(messages) as bigint) as messages,
        cast(sum(customer_messages) as bigint) as customer_messages,
        cast(sum(bot_messages) as bigint) as bot_messages,
        cast(sum(agent_messages) as bigint) as agent_messages
    from counted_messages
    group by active_on, channel
),

days as (
    select
        active_on,
        channel
    from new_conversations
    union
    select
        active_on,
        channel
    from resolved
    union
    select
        active_on,
        channel
    from new_sessions
    union
    select
        active_on,
        channel
    from new_handoffs
    union
    select
        active_on,
        channel
    from new_messages
)

select
    days.active_on,
    days.channel,
    coalesce(new_conversations.conversations_started, 0) as conversations_started,
    coalesce(new_conversations.conversations_handed_off, 0) as conversations_handed_off,
    coalesce(resolved.conversations_resolved, 0) as conversations_resolved,
    coalesce(new_sessions.sessions_started, 0) as sessions_started,
    coalesce(new_handoffs.handoffs_requested, 0) as handoffs_requested,
    coalesce(new_messages.messages, 0) as messages,
    coalesce(new_messages.customer_messages, 0) as customer_messages,
    coalesce(new_messages.bot_messages, 0) as bot_messages,
    coalesce(new_messages.agent_messages, 0) as agent_messages
from days
left join new_conversations
    on days.active_on = new_conversations.active_on and days.channel = new_conversations.channel
left join resolved
    on days.active_on = resolved.active_on and days.channel = resolved.channel
left join new_sessions
    on days.active_on = new_sessions.active_on and days.channel = new_sessions.channel
left join new_handoffs
    on days.active_on = new_handoffs.active_on and days.channel = new_handoffs.channel
left join new_messages
    on days.active_on = new_messages.active_on and days.channel = new_messages.channel
