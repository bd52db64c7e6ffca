-- Resolution time
-- topic: resolution
-- question: How long does a demand take until it is resolved?
-- formula: first resolution − first event of the episode
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not eligible or not resolved; closing or a timeout is no
--   resolution
-- twin: business hours
-- owner: analytics
-- version: 1
-- source: Zendesk

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    opened_at as started_at,
    resolved_at as ended_at
from episode_outcomes
where is_resolved
