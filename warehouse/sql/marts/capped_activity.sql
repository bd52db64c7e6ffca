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

-- Messages of the modelled events: one that is named again is no other message.
known as (
    select distinct
        events.conversation_id,
        events.message_id
    from events
    inner join later_events on events.conversation_id = later_events.conversation_id
    where
        events.event_type = 'message.created'
        and later_events.event_type = 'message.created'
        and events.message_id = later_events.message_id
),

marked as (
    select
        later_events.conversation_id,
        later_events.happened_on as active_on,
        later_events.channel,
        later_events.is_test,
        later_events.participant_role,
        later_events.happened_at,
        later_events.source,
        later_events.event_type = 'message.created'
        and later_events.visibility = 'public'
        and known.message_id is null
        and row_number() over (
            partition by
                later_events.conversation_id, later_events.event_type, later_events.message_id
            order by later_events.sequence
        ) = 1 as is_message
    from later_events
    left join known
        on
            later_events.conversation_id = known.conversation_id
            and later_events.message_id = known.message_id
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
