-- Reply time of humans
-- topic: human
-- question: How long does a customer wait for an agent's answer?
-- formula: first public message of an agent − first unanswered customer message, over turns
--   that an agent answered first
-- kind: duration
-- unit: seconds
-- clock: event: the day on which the turn started
-- maturity: 0 days
-- excludes: tests, turns that no agent answered first
-- twin: business hours
-- owner: analytics
-- version: 2
-- source: Chatwoot 13417, Simla

select
    conversation_id,
    started_sequence as sequence,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    started_at,
    replied_at as ended_at
from turns
where not is_test and replied_by = 'agent'
