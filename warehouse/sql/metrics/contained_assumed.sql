-- Contained: assumed
-- topic: bot
-- question: Which share of contained demands was resolved without a confirmation?
-- formula: contained episodes with the outcome assumed ÷ contained episodes
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final, and those without a bot message or a handoff
-- owner: analytics
-- version: 1
-- source: fazer-ai/agents 188

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when contained_outcome = 'assumed' then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_contained
