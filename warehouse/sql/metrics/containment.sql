-- Containment
-- topic: bot
-- question: Which share of demands does the bot finish without a human?
-- formula: contained episodes ÷ eligible episodes; contained does not mean solved, see the
--   four parts
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final, and those without a bot message or a handoff
-- owner: analytics
-- version: 1
-- source: Intercom Fin, Ada

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_contained then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_eligible
