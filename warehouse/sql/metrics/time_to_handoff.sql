-- Time to handoff
-- topic: handoff
-- question: How long does the bot try before a human is requested?
-- formula: first request of a human − first event of the episode
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes without a handoff; a duration that the clocks contradict is
--   missing
-- owner: analytics
-- version: 1
-- source: Convolake

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    opened_at as started_at,
    first_handoff_at as ended_at
from episode_outcomes
where not is_test and first_handoff_at is not null
