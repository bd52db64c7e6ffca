-- One part of the transcript of $conversation_id, in order of sequence; `entries` is how many
-- entries it has in all. Receipts, edits and deletions are folded into their messages.
-- A part beyond the last gives the last one. With $found, a sequence, it begins two entries before
-- the entry of this sequence, or the last one before it.
-- The conversation has events from $first_on to $last_on only: files of other days are not read.
-- Times are in the zone $reporting_zone. Few tables are read: each costs 5 ms before its first row.

with

-- Each table is narrowed by the conversation itself: a join alone would read all of it.
own_events as (
    select
        sequence,
        event_type,
        happened_at,
        session_id,
        participant_id,
        participant_role,
        channel,
        visibility,
        queue,
        handoff_id,
        message_id,
        bot_version,
        text,
        payload
    from events
    where conversation_id = $conversation_id and happened_on between $first_on and $last_on
),

shown as (
    select
        *,
        row_number() over (order by sequence) as place,
        count(*) over () as entries
    from own_events
    where
        event_type not in (
            'message.edited', 'message.deleted', 'message.submitted', 'message.delivered',
            'message.unconfirmed',
            'message.read', 'message.failed', 'participant.read_advanced',
            'participant.updated', 'conversation.updated', 'bot.turn_started',
            'typing.started', 'typing.stopped'
        )
        and (event_type <> 'bot.turn_completed' or (payload ->> '$.model_call') is not null)
),

found as (
    select max(place) as place
    from shown
    where sequence <= cast($found as bigint)
),

parted as (
    select
        shown.*,
        found.place as found_place,
        coalesce(
            cast(ceil(found.place / $part_size) as bigint),
            least($part, cast(ceil(shown.entries / $part_size) as bigint))
        ) as part,
        coalesce(
            found.place - 3,
            (least($part, cast(ceil(shown.entries / $part_size) as bigint)) - 1) * $part_size
        ) as places_before
    from shown
    cross join found
),

failures as (
    select
        message_id,
        arg_max(payload ->> '$.error_code', sequence) as error_code
    from own_events
    where event_type = 'message.failed'
    group by message_id
),

own_messages as (
    select
        message_id,
        sequence,
        text,
        is_edited,
        is_deleted,
        delivered_at,
        read_at,
        failed_at
    from messages
    where conversation_id = $conversation_id and happened_on between $first_on and $last_on
),

own_sessions as (
    select
        session_id,
        min(try_cast(payload ->> '$.number' as integer)) as session_number
    from own_events
    where event_type = 'session.started'
    group by session_id
)

select
    parted.part,
    parted.entries,
    parted.sequence,
    parted.event_type,
    parted.happened_at at time zone 'UTC' at time zone $reporting_zone as happened_at,
    parted.participant_id,
    parted.participant_role,
    parted.channel,
    parted.visibility,
    parted.queue,
    parted.message_id,
    parted.bot_version,
    case
        when coalesce(messages.is_deleted, false) then null
        when messages.sequence = parted.sequence then messages.text
        else parted.text
    end as text,
    -- What a deleted message held is not shown either.
    case when not coalesce(messages.is_deleted, false) then parted.payload end as payload,
    coalesce(messages.is_edited, false) as is_edited,
    coalesce(messages.is_deleted, false) as is_deleted,
    messages.delivered_at at time zone 'UTC'
    at time zone $reporting_zone as delivered_at,
    messages.read_at at time zone 'UTC' at time zone $reporting_zone as read_at,
    messages.failed_at at time zone 'UTC' at time zone $reporting_zone as failed_at,
    failures.error_code,
    sessions.session_number,
    parted.handoff_id,
    coalesce(parted.place = parted.found_place, false) as is_found
from parted
left join own_messages as messages
    on parted.event_type = 'message.created' and parted.message_id = messages.message_id
left join failures
    on parted.event_type = 'message.created' and parted.message_id = failures.message_id
left join own_sessions as sessions on parted.session_id = sessions.session_id
where
    parted.place > parted.places_before
    and parted.place <= parted.places_before + $part_size
order by parted.sequence
