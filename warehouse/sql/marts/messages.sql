-- One row per message, with its edits and receipts.
-- key: conversation_id, message_id
-- load: by conversation_id on happened_on
--
-- conversation_id     conversation of the message
-- message_id          id of the message
-- sequence            place in the conversation
-- session_id          session of the message
-- participant_id      sender
-- participant_role    customer, bot, agent or system
-- channel             channel of the message
-- in_reply_to         message_id it answers
-- bot_version         version of the bot that sent it
-- visibility          public, or internal (a note)
-- text                current text: the last edit; null if deleted
-- payload             attachments, nlu and the like, as JSON
-- is_edited           the text was edited
-- is_deleted          deleted: the text is removed, the row stays
-- was_stale           received after its bot had lost control; stored as a fact
-- is_test             stored, but excluded from every metric
-- happened_at         time of the message, UTC
-- happened_on         day of happened_at in the reporting zone
-- delivered_at        first message.delivered, UTC; not after a failure of the same attempt
-- read_at             first message.read, or first read horizon of another one that covers it, UTC
-- failed_at           first message.failed, UTC, that is the last state for its recipient

with

created as (
    select
        conversation_id,
        message_id,
        sequence,
        session_id,
        participant_id,
        participant_role,
        channel,
        in_reply_to,
        bot_version,
        visibility,
        text,
        payload,
        coalesce((payload ->> '$.was_stale') = 'true', false) as was_stale,
        is_test,
        happened_at,
        happened_on
    from events
    where event_type = 'message.created'
    -- A producer that names one message in two events meant the first.
    qualify row_number() over (partition by conversation_id, message_id order by sequence) = 1
),

changes as (
    select
        conversation_id,
        message_id,
        -- An edit after the deletion changes nothing.
        coalesce(
            min(sequence) filter (where event_type = 'message.edited')
            < coalesce(
                min(sequence) filter (where event_type = 'message.deleted'), 9223372036854775807
            ),
            false
        ) as is_edited,
        arg_max_null(text, sequence) filter (where event_type = 'message.edited') as last_text,
        count(*) filter (where event_type = 'message.deleted') > 0 as is_deleted
    from events
    where event_type in ('message.edited', 'message.deleted')
    group by conversation_id, message_id
),

reported as (
    select
        conversation_id,
        message_id,
        min(delivered_at) as delivered_at,
        min(read_at) as read_at,
        min(failed_at) as failed_at
    from receipts
    group by conversation_id, message_id
),

-- A participant read up to a sequence, at most up to the event that says so.
horizons as (
    select
        conversation_id,
        participant_id,
        participant_role,
        happened_at,
        least(try_cast(payload ->> '$.sequence' as bigint), sequence) as read_sequence
    from events
    where
        event_type = 'participant.read_advanced'
        and try_cast(payload ->> '$.sequence' as bigint) is not null
),

reads as (
    select
        created.conversation_id,
        created.message_id,
        min(horizons.happened_at) as read_at
    from created
    inner join horizons
        on
            created.conversation_id = horizons.conversation_id
            and created.sequence <= horizons.read_sequence
            and created.participant_id is distinct from horizons.participant_id
            and (created.visibility = 'public' or horizons.participant_role <> 'customer')
    group by created.conversation_id, created.message_id
)

select
    created.conversation_id,
    created.message_id,
    created.sequence,
    created.session_id,
    created.participant_id,
    created.participant_role,
    created.channel,
    created.in_reply_to,
    created.bot_version,
    created.visibility,
    case
        when changes.is_deleted then null
        else coalesce(changes.last_text, created.text)
    end as text,
    case when changes.is_deleted then null else created.payload end as payload,
    coalesce(changes.is_edited, false) as is_edited,
    coalesce(changes.is_deleted, false) as is_deleted,
    created.was_stale,
    created.is_test,
    created.happened_at,
    created.happened_on,
    reported.delivered_at,
    least(reported.read_at, reads.read_at) as read_at,
    reported.failed_at
from created
left join changes
    on created.conversation_id = changes.conversation_id and created.message_id = changes.message_id
left join reported
    on
        created.conversation_id = reported.conversation_id
        and created.message_id = reported.message_id
left join reads
    on
        created.conversation_id = reads.conversation_id
        and created.message_id = reads.message_id
