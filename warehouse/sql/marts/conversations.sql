-- One row per conversation.
-- key: conversation_id
-- load: by conversation_id on started_on
--
-- conversation_id          id of the conversation
-- channel                  channel of its creation
-- channel_account          the organisation's number, page or inbox
-- contact_id               the customer's contact: last one of the creation or a customer's event
-- conversation_key         the client's own key
-- subject                  last subject that was set
-- predecessor_id           the closed conversation that it continues
-- successor_id             the conversation that continues it
-- is_test                  stored, but excluded from every metric
-- created_at               first event, UTC
-- started_on               day of created_at in the reporting zone
-- latest_at                latest activity, UTC: an event that the server did not write itself
-- first_on                 first day with an event in it, in the reporting zone
-- last_on                  last day with an event in it
-- state                    active, inactive, resolved (until the customer's next message) or closed
-- resolved_at              last resolution, UTC; null if the conversation was reopened after it
-- resolved_by              role that resolved it, from that event; closing it changes neither
-- message_count            public messages; test messages only in a test
-- customer_message_count   of those, from customers
-- bot_message_count        of those, from bots
-- agent_message_count      of those, from agents
-- first_message_at         first public message, UTC
-- turn_count               turns
-- session_count            sessions
-- handoff_count            handoffs requested
-- is_handed_off            at least one handoff was requested
-- bot_id                   bot that answered first
-- bot_version              its version: the first one in the conversation
-- feedback_score           score of the last rating; null if it cannot be read
-- event_count              events on the record, equal to the last sequence
-- is_capped                more than 50,000 events: later ones count, and change nothing else

with

facts as (
    select
        conversation_id,
        -- The first event is conversation.created, unless its segment is quarantined.
        arg_min(channel, sequence) as channel,
        arg_min_null(channel_account, sequence) as channel_account,
        arg_max(contact_id, sequence) filter (
            where contact_id is not null
            and (event_type = 'conversation.created' or participant_role = 'customer')
        ) as contact_id,
        arg_max(payload ->> '$.conversation_key', sequence) filter (
            where event_type in ('conversation.created', 'conversation.updated')
            and (payload ->> '$.conversation_key') is not null
        ) as conversation_key,
        arg_max(payload ->> '$.subject', sequence) filter (
            where event_type in ('conversation.created', 'conversation.updated')
            and (payload ->> '$.subject') is not null
        ) as subject,
        -- Only the log itself links conversations.
        arg_max(payload ->> '$.predecessor_id', sequence) filter (
            where event_type = 'conversation.created' and source = 'convolake'
            and (payload ->> '$.predecessor_id') is not null
        ) as predecessor_id,
        arg_max(payload ->> '$.successor_id', sequence) filter (
            where event_type = 'conversation.updated' and source = 'convolake'
            and (payload ->> '$.successor_id') is not null
        ) as successor_id,
        arg_min(is_test, sequence) as is_test,
        arg_min(happened_at, sequence) as created_at,
        arg_min(happened_on, sequence) as started_on,
        max(happened_at) filter (where source is distinct from 'convolake') as latest_at,
        min(happened_on) as first_on,
        max(happened_on) as last_on,
        arg_max(
            case event_type
                when 'conversation.resolved' then 'resolved'
                when 'conversation.reopened' then 'active'
                when 'conversation.state_changed' then payload ->> '$.to'
                -- A customer's message reopens a resolved conversation.
                when 'message.created' then 'active'
            end,
            sequence
        ) filter (
            where event_type in (
                'conversation.resolved', 'conversation.reopened', 'conversation.state_changed'
            )
            or (
                event_type = 'message.created'
                and participant_role = 'customer'
                and visibility = 'public'
            )
        ) as last_state,
        count(*) filter (
            where event_type = 'conversation.state_changed' and (payload ->> '$.to') = 'closed'
        ) > 0 as is_closed,
        arg_max(event_type, sequence) filter (
            where (
                event_type in ('conversation.resolved', 'conversation.reopened')
                or (
                    event_type = 'message.created'
                    and participant_role = 'customer'
                    and visibility = 'public'
                )
            )
            -- A stale event changed nothing.
            and coalesce(payload ->> '$.was_stale', 'false') <> 'true'
        ) as last_step,
        arg_min(participant_id, sequence) filter (
            where participant_id is not null
            and event_type = 'message.created'
            and participant_role = 'bot'
        ) as bot_id,
        arg_min(bot_version, sequence) filter (where bot_version is not null) as bot_version,
        count(*) as event_count
    from events
    where conversation_id is not null
    group by conversation_id
),

resolved as (
    select
        conversation_id,
        arg_max(resolved_at, sequence) as resolved_at,
        arg_max_null(resolved_by, sequence) as resolved_by
    from resolutions
    group by conversation_id
),

rated as (
    select
        conversation_id,
        arg_max_null(score, sequence) as feedback_score
    from feedback
    group by conversation_id
),

-- Events beyond the cap of a long conversation.
capped as (
    select
        conversation_id,
        cast(sum(event_count) as bigint) as event_count,
        max(latest_at) as latest_at,
        min(active_on) as first_on,
        max(active_on) as last_on
    from capped_activity
    group by conversation_id
),

capped_messages as (
    select
        capped_activity.conversation_id,
        cast(sum(capped_activity.message_count) as bigint) as message_count,
        cast(sum(capped_activity.customer_message_count) as bigint) as customer_message_count,
        cast(sum(capped_activity.bot_message_count) as bigint) as bot_message_count,
        cast(sum(capped_activity.agent_message_count) as bigint) as agent_message_count
    from capped_activity
    inner join facts on capped_activity.conversation_id = facts.conversation_id
    where capped_activity.is_test is not distinct from facts.is_test
    group by capped_activity.conversation_id
),

message_counts as (
    select
        messages.conversation_id,
        count(*) as message_count,
        count(*) filter (where messages.participant_role = 'customer') as customer_message_count,
        count(*) filter (where messages.participant_role = 'bot') as bot_message_count,
        count(*) filter (where messages.participant_role = 'agent') as agent_message_count,
        min(messages.happened_at) as first_message_at
    from messages
    inner join facts on messages.conversation_id = facts.conversation_id
    -- A test message in a real conversation does not count.
    where messages.visibility = 'public' and messages.is_test is not distinct from facts.is_test
    group by messages.conversation_id
),

session_counts as (
    select
        conversation_id,
        count(*) as session_count
    from sessions
    group by conversation_id
),

turn_counts as (
    select
        conversation_id,
        count(*) as turn_count
    from turns
    group by conversation_id
),

handoff_counts as (
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
    greatest(facts.latest_at, capped.latest_at) as latest_at,
    least(facts.first_on, capped.first_on) as first_on,
    greatest(facts.last_on, capped.last_on) as last_on,
    case when facts.is_closed then 'closed' else coalesce(facts.last_state, 'active') end as state,
    case
        when facts.last_step = 'conversation.resolved' then resolved.resolved_at
    end as resolved_at,
    case
        when facts.last_step = 'conversation.resolved' then resolved.resolved_by
    end as resolved_by,
    coalesce(message_counts.message_count, 0)
    + coalesce(capped_messages.message_count, 0) as message_count,
    coalesce(message_counts.customer_message_count, 0)
    + coalesce(capped_messages.customer_message_count, 0) as customer_message_count,
    coalesce(message_counts.bot_message_count, 0)
    + coalesce(capped_messages.bot_message_count, 0) as bot_message_count,
    coalesce(message_counts.agent_message_count, 0)
    + coalesce(capped_messages.agent_message_count, 0) as agent_message_count,
    message_counts.first_message_at,
    coalesce(turn_counts.turn_count, 0) as turn_count,
    coalesce(session_counts.session_count, 0) as session_count,
    coalesce(handoff_counts.handoff_count, 0) as handoff_count,
    coalesce(handoff_counts.handoff_count, 0) > 0 as is_handed_off,
    facts.bot_id,
    facts.bot_version,
    rated.feedback_score,
    facts.event_count + coalesce(capped.event_count, 0) as event_count,
    capped.conversation_id is not null as is_capped
from facts
left join capped on facts.conversation_id = capped.conversation_id
left join capped_messages on facts.conversation_id = capped_messages.conversation_id
left join resolved on facts.conversation_id = resolved.conversation_id
left join rated on facts.conversation_id = rated.conversation_id
left join message_counts on facts.conversation_id = message_counts.conversation_id
left join session_counts on facts.conversation_id = session_counts.conversation_id
left join turn_counts on facts.conversation_id = turn_counts.conversation_id
left join handoff_counts on facts.conversation_id = handoff_counts.conversation_id
