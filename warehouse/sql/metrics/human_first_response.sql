-- First response of a human
-- topic: human
-- question: How long does a customer wait for a human's first answer?
-- formula: first public message of an agent − the first request of a human, or else the first
--   event of the episode; the bot's messages and notes do not stop the clock
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not handed off; those without an answer are missing and
--   counted
-- twin: business hours
-- owner: analytics
-- version: 1
-- source: Chatwoot 12058 and 8477, Plain, Intercom

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    coalesce(first_handoff_at, opened_at) as started_at,
    first_agent_reply_at as ended_at
from episode_outcomes
where not is_test and is_handed_off
