-- One row per day of a capped conversation: its events beyond the first 50,000, counted only.
-- key: conversation_id, active_on, channel, is_test
-- load: by conversation_id on active_on
--
-- conversation_id          conversation with more than 50,000 events
-- active_on                day in the reporting zone
-- channel                  channel of the events
-- is_test                  stored, but excluded from every metric
-- event_count              events
-- message_count            public messages
-- customer_message_count   of those, from customers
-- bot_message_count        of those, from bots
-- agent_message_count      of those, from agents
-- latest_at                latest activity, UTC; null if the server wrote all of these events

with

marked as (
    select
        conversation_id,
        happened_on as active_on,
        channel,
        is_test,
        participant_role,
        happened_at,
        source,
        event_type = 'message.created'
        and visibility = 'public'
        and row_number() over (
            partition by conversation_id, event_type, message_id order by sequence
        ) = 1 as is_message
    from later_events
)

select
    conversation_id,
    active_on,
    channel,
    is_test,
    count(*) as event_count,
    count(*) filter (where is_message) as message_count,
    count(*) filter (where is_message and participant_role = 'customer') as customer_message_count,
    count(*) filter (where is_message and participant_role = 'bot') as bot_message_count,
    count(*) filter (where is_message and participant_role = 'agent') as agent_message_count,
    max(happened_at) filter (where source is distinct from 'convolake') as latest_at
from marked
group by conversation_id, active_on, channel, is_test
