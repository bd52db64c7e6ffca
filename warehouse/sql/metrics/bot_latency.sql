-- Latency of the bot
-- topic: bot
-- question: How long does the bot take to answer a message?
-- formula: first message of the bot − first customer message of the turn, over turns that
--   started while neither an agent nor a queue had control and that the bot answered first
-- kind: duration
-- unit: seconds
-- clock: event: the day on which the turn started
-- maturity: 0 days
-- excludes: tests, turns under an agent or a queue, turns that the bot did not answer first; those
--   of the bot without any answer are in the share of unanswered turns
-- owner: analytics
-- version: 3
-- source: OpenTelemetry

select
    conversation_id,
    started_sequence as sequence,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    reply_seconds as value
from turns
where not is_test and owner in ('bot', 'none') and replied_by = 'bot'
