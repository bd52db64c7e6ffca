-- One row per participant of a conversation.
-- key: conversation_id, participant_id
-- load: by conversation_id on joined_on
--
-- conversation_id    conversation that they took part in
-- participant_id     id of the participant
-- participant_role   customer, bot or agent; the first one, a role never changes
-- contact_id         the person behind a customer: the last one known
-- channel            channel of the first event
-- is_test            stored, but excluded from every metric
-- joined_at          first event, UTC
-- joined_on          day of joined_at in the reporting zone
-- left_at            last participant.left, UTC; null if they did something after it
-- message_count      public messages
-- first_message_at   first public message, UTC
-- last_message_at    last public message, UTC

with

seen as (
    select
        conversation_id,
        participant_id,
        arg_min(participant_role, sequence)
        filter (where participant_role is not null) as participant_role,
        arg_max(contact_id, sequence) filter (where contact_id is not null) as contact_id,
        arg_min(channel, sequence) as channel,
        arg_min(is_test, sequence) as is_test,
        arg_min(happened_at, sequence) as joined_at,
        arg_min(happened_on, sequence) as joined_on,
        arg_max(event_type, sequence) as last_event_type,
        arg_max(happened_at, sequence)
        filter (where event_type = 'participant.left') as last_left_at
    from events
    where
        conversation_id is not null
        and participant_id is not null
        -- An agent who is only offered a handoff does not take part.
        and event_type not in ('handoff.assigned', 'handoff.declined')
        and participant_role <> 'system'
    group by conversation_id, participant_id
),

spoken as (
    select
        conversation_id,
        participant_id,
        count(*) as message_count,
        min(happened_at) as first_message_at,
        max(happened_at) as last_message_at
    from messages
    where visibility = 'public'
    group by conversation_id, participant_id
)

select
    seen.conversation_id,
    seen.participant_id,
    seen.participant_role,
    seen.contact_id,
    seen.channel,
    seen.is_test,
    seen.joined_at,
    seen.joined_on,
    case when seen.last_event_type = 'participant.left' then seen.last_left_at end as left_at,
    coalesce(spoken.message_count, 0) as message_count,
    spoken.first_message_at,
    spoken.last_message_at
from seen
left join spoken
    on
        seen.conversation_id = spoken.conversation_id
        and seen.participant_id = spoken.participant_id
