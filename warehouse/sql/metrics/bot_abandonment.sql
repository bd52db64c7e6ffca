-- Bot abandonment
-- topic: bot
-- question: In which share of demands does the customer leave the bot without a resolution?
-- formula: contained episodes that were not resolved and ended after a message of the bot ÷
--   eligible episodes
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final, and those without a bot message or a handoff
-- owner: analytics
-- version: 1
-- source: Rasa

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_abandoned then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_eligible
