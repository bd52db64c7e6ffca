-- Bot resolution
-- topic: resolution
-- question: Which share of demands does the bot resolve?
-- formula: episodes resolved by the bot, without a handoff, without a message of an agent,
--   with an answer that is no fallback ÷ eligible episodes
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final, and those without a bot message or a handoff
-- owner: analytics
-- version: 1
-- source: Intercom Fin

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_bot_resolved then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_eligible
