-- One row per event of the log.
-- key: shard, position
-- load: append on happened_on
--
-- shard               partition of the log
-- position            place in the shard, from 1 without a gap
-- event_id            id given by the producer, unique within its source
-- event_type          noun.past_participle
-- schema_version      version of the payload
-- source              API key or adapter that wrote it
-- conversation_id     conversation of the event; null outside the conversation stream
-- sequence            place in the conversation, from 1 without a gap
-- session_id          session of the event
-- participant_id      participant who caused it
-- participant_role    customer, bot, agent or system
-- contact_id          the person behind a customer, across channels
-- channel             whatsapp, sms, messenger, slack, email, web ...
-- channel_account     the organisation's number, page or inbox
-- message_id          message that it creates or refers to
-- handoff_id          handoff of the event
-- in_reply_to         message_id it answers
-- caused_by           event_id of its cause
-- bot_version         version of the bot that answered
-- queue               where a handoff waits
-- visibility          public, or internal: never shown to a customer
-- text                message text, byte-exact
-- payload             type-specific fields, as JSON
-- is_test             stored, but excluded from every metric
-- occurred_at         producer's clock, UTC; never used for order
-- received_at         server clock when the request arrived, UTC
-- committed_at        server clock at the commit, UTC
-- happened_at         clock of the models, UTC
-- happened_on         day of happened_at in the reporting zone

select
    shard,
    position,
    event_id,
    event_type,
    schema_version,
    source,
    conversation_id,
    sequence,
    session_id,
    participant_id,
    participant_role,
    contact_id,
    channel,
    channel_account,
    message_id,
    handoff_id,
    in_reply_to,
    caused_by,
    bot_version,
    queue,
    visibility,
    text,
    payload,
    is_test,
    cast(occurred_at at time zone 'UTC' as timestamp) as occurred_at,
    cast(received_at at time zone 'UTC' as timestamp) as received_at,
    cast(committed_at at time zone 'UTC' as timestamp) as committed_at,
    cast(happened_at at time zone 'UTC' as timestamp) as happened_at,
    cast(happened_at at time zone getvariable('reporting_zone') as date) as happened_on
from sealed_events
where rejection_reason is null
