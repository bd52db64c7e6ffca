-- Containment by intent
-- topic: bot
-- question: Which intents does the bot finish without a human?
-- formula: contained episodes ÷ eligible episodes, of each intent; the intent is the
--   first that the bot understood in the episode
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final, and those without a bot message or a handoff
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
    coalesce(first_intent, 'unknown') as breakdown,
    case when is_contained then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_eligible
