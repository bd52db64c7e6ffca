-- One row per event of the log.
-- key: shard, position
-- load: append on happened_on
--
-- shard               number of the log
-- position            place in the log, from 1 without a hole
-- event_id            id given by the producer, unique within its source
-- event_type          noun.past_participle
-- schema_version      version of the payload
-- source              credential or adapter that wrote it
-- conversation_id     conversation it belongs to; null outside the conversation stream
-- sequence            place in the conversation, from 1 without a hole
-- session_id          session it fell into
-- participant_id      who did it
-- participant_role    customer, bot, agent or system
-- contact_id          the person behind a customer, across channels
-- channel             whatsapp, sms, messenger, slack, email, web ...
-- channel_account     which number, page or inbox of ours
-- message_id          message it creates or speaks of
-- handoff_id          handoff it belongs to
-- in_reply_to         message_id it answers
-- caused_by           event_id of its cause
-- bot_version         version of the bot that answered
-- queue               where a handoff waits
-- visibility          public, or internal: never shown to a customer
-- text                message text, byte-exact
-- payload             the rest, per type, as JSON
-- is_test             kept, counted nowhere
-- occurred_at         producer's clock, UTC; never used for order
-- received_at         our clock at the door, UTC
-- committed_at        our clock at the commit, UTC
-- happened_at         the clock the models reckon with, UTC
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
