-- The texts that edits replaced, in $conversation_id, of messages from sequence $first to $last.
-- One row per edit: the sequence of its message, who edited when, and the text before.
-- A deleted message has none: its earlier texts are not shown either.

with

own_events as (
    select
        message_id,
        sequence,
        event_type,
        participant_id,
        text,
        happened_at
    from events
    where
        conversation_id = $conversation_id
        and happened_on between $first_on and $last_on
        and event_type in ('message.created', 'message.edited')
),

own_messages as (
    select
        message_id,
        sequence
    from messages
    where
        conversation_id = $conversation_id
        and happened_on between $first_on and $last_on
        and sequence between $first and $last
        and is_edited
        and not is_deleted
),

versions as (
    select
        own_messages.sequence as message_sequence,
        own_events.sequence,
        own_events.event_type,
        own_events.participant_id,
        own_events.happened_at,
        lag(own_events.text) over (
            partition by own_events.message_id
            order by own_events.sequence
        ) as text
    from own_messages
    inner join own_events on own_messages.message_id = own_events.message_id
)

select
    versions.message_sequence as sequence,
    versions.participant_id,
    versions.text,
    versions.happened_at at time zone 'UTC' at time zone reporting.reporting_zone as edited_at
from versions
cross join reporting
where versions.event_type = 'message.edited'
order by versions.message_sequence asc, versions.sequence asc
