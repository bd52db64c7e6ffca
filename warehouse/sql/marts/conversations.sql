-- One row per conversation.
-- key: conversation_id
-- load: by conversation_id on started_on
--
-- conversation_id          id of the conversation
-- channel                  channel of its creation
-- channel_account          the organisation's number, page or inbox
-- contact_id               the person behind the customer
-- conversation_key         the client's own key
-- subject                  last subject that was set
-- predecessor_id           the closed conversation that it continues
-- successor_id             the conversation that continues it
-- is_test                  stored, but excluded from every metric
-- created_at               first event, UTC
-- started_on               day of created_at in the reporting zone
-- latest_at                latest event except the server's own, UTC
-- first_on                 first day with an event in it, in the reporting zone
-- last_on                  last day with an event in it
-- state                    active, inactive, resolved (until the customer's next message) or closed
-- resolved_at              last conversation.resolved, UTC; null if it is not resolved now
-- resolved_by              role that resolved it, from that event
-- message_count            public messages
-- customer_message_count   of those, from customers
-- bot_message_count        of those, from bots
-- agent_message_count      of those, from agents
-- first_message_at         first public message, UTC
-- session_count            sessions
-- handoff_count            handoffs requested
-- is_handed_off            at least one handoff was requested
-- bot_version              version of the bot that answered first
-- feedback_score           payload.score of the last feedback.submitted
-- event_count              events on the record, equal to the last sequence

with

facts as (
    select
        conversation_id,
        -- The first event is conversation.created, unless its segment is quarantined.
        arg_min(channel, sequence) as channel,
        arg_min(channel_account, sequence) as channel_account,
        arg_max(contact_id, sequence) filter (where contact_id is not null) as contact_id,
        arg_max(payload ->> '$.conversation_key', sequence) filter (
            where event_type in ('conversation.created', 'conversation.updated')
        ) as conversation_key,
        arg_max(payload ->> '$.subject', sequence) filter (
            where event_type in ('conversation.created', 'conversation.updated')
        ) as subject,
        -- Only the log itself links conversations.
        arg_max(payload ->> '$.predecessor_id', sequence) filter (
            where event_type = 'conversation.created' and source = 'convolake'
        ) as predecessor_id,
        arg_max(payload ->> '$.successor_id', sequence) filter (
            where event_type = 'conversation.updated' and source = 'convolake'
        ) as successor_id,
        arg_min(is_test, sequence) as is_test,
        arg_min(happened_at, sequence) as created_at,
        arg_min(happened_on, sequence) as started_on,
        max(happened_at) filter (where event_type <> 'session.ended') as latest_at,
        min(happened_on) as first_on,
        max(happened_on) as last_on,
        arg_max(
            case event_type
                when 'conversation.resolved' then 'resolved'
                when 'conversation.reopened' then 'active'
                when 'conversation.state_changed' then payload ->> '$.to'
                -- The demand is back with the customer's next word.
                when 'message.created' then 'active'
            end,
            sequence
        ) filter (
            where event_type in (
                'conversation.resolved', 'conversation.reopened', 'conversation.state_changed'
            )
            or (event_type = 'message.created' and participant_role = 'customer')
        ) as last_state,
        count(*) filter (
            where event_type = 'conversation.state_changed' and payload ->> '$.to' = 'closed'
        ) > 0 as is_closed,
        max(happened_at) filter (where event_type = 'conversation.resolved') as resolved_at,
        arg_max(payload ->> '$.resolved_by', sequence)
        filter (where event_type = 'conversation.resolved') as resolved_by,
        arg_min(bot_version, sequence) filter (where bot_version is not null) as bot_version,
        arg_max(try_cast(payload ->> '$.score' as double), sequence)
        filter (where event_type = 'feedback.submitted') as feedback_score,
        count(*) as event_count
    from events
    where conversation_id is not null
    group by conversation_id
),

said as (
    select
        conversation_id,
        count(*) as message_count,
        count(*) filter (where participant_role = 'customer') as customer_message_count,
        count(*) filter (where participant_role = 'bot') as bot_message_count,
        count(*) filter (where participant_role = 'agent') as agent_message_count,
        min(happened_at) as first_message_at
    from messages
    where visibility = 'public'
    group by conversation_id
),

visited as (
    select
        conversation_id,
        count(*) as session_count
    from sessions
    group by conversation_id
),

passed as (
    select
        conversation_id,
        count(*) as handoff_count
    from handoffs
    group by conversation_id
)

select
    facts.conversation_id,
    facts.channel,
    facts.channel_account,
    facts.contact_id,
    facts.conversation_key,
    facts.subject,
    facts.predecessor_id,
    facts.successor_id,
    facts.is_test,
    facts.created_at,
    facts.started_on,
    facts.latest_at,
    facts.first_on,
    facts.last_on,
    case when facts.is_closed then 'closed' else coalesce(facts.last_state, 'active') end as state,
    case
        when facts.last_state = 'resolved' and not facts.is_closed then facts.resolved_at
    end as resolved_at,
    case
        when facts.last_state = 'resolved' and not facts.is_closed then facts.resolved_by
    end as resolved_by,
    coalesce(said.message_count, 0) as message_count,
    coalesce(said.customer_message_count, 0) as customer_message_count,
    coalesce(said.bot_message_count, 0) as bot_message_count,
    coalesce(said.agent_message_count, 0) as agent_message_count,
    said.first_message_at,
    coalesce(visited.session_count, 0) as session_count,
    coalesce(passed.handoff_count, 0) as handoff_count,
    coalesce(passed.handoff_count, 0) > 0 as is_handed_off,
    facts.bot_version,
    facts.feedback_score,
    facts.event_count
from facts
left join said on facts.conversation_id = said.conversation_id
left join visited on facts.conversation_id = visited.conversation_id
left join passed on facts.conversation_id = passed.conversation_id
