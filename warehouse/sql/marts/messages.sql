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
-- delivered_at        first message.delivered, UTC
-- read_at             first message.read, UTC
-- failed_at           first message.failed, UTC

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
        coalesce(payload ->> '$.was_stale' = 'true', false) as was_stale,
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
        count(*) filter (where event_type = 'message.edited') > 0 as is_edited,
        arg_max_null(text, sequence) filter (where event_type = 'message.edited') as last_text,
        count(*) filter (where event_type = 'message.deleted') > 0 as is_deleted,
        min(happened_at) filter (where event_type = 'message.delivered') as delivered_at,
        min(happened_at) filter (where event_type = 'message.read') as read_at,
        min(happened_at) filter (where event_type = 'message.failed') as failed_at
    from events
    where
        event_type in (
            'message.edited',
            'message.deleted',
            'message.delivered',
            'message.read',
            'message.failed'
        )
    group by conversation_id, message_id
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
    changes.delivered_at,
    changes.read_at,
    changes.failed_at
from created
left join changes
    on created.conversation_id = changes.conversation_id and created.message_id = changes.message_id
