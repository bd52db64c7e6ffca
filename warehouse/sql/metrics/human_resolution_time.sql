-- Resolution time of humans
-- topic: human
-- question: How long does a handed-off demand take from the handoff on?
-- formula: first resolution − first request of a human; the bot's time is left out
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not resolved or not handed off
-- twin: business hours
-- owner: analytics
-- version: 1
-- source: Chatwoot 7679

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    first_handoff_at as started_at,
    resolved_at as ended_at
from episode_outcomes
where is_resolved and first_handoff_at is not null
