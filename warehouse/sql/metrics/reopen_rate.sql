-- Reopen rate
-- topic: resolution
-- question: Which share of resolutions is followed by another demand within a week?
-- formula: resolved episodes whose conversation opened an episode within 7 days of the
--   resolution ÷ resolved episodes; a word of thanks after the resolution counts
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 8 days
-- excludes: tests, episodes that were not resolved, and days younger than 8 days
-- owner: analytics
-- version: 1
-- source: Kaizo, Zendesk

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when next_opened_at <= resolved_at + interval 7 day then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_resolved
