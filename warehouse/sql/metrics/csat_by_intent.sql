-- Customer satisfaction by intent
-- topic: bot
-- question: With which intents are customers satisfied?
-- formula: eligible episodes whose last rating is positive ÷ those with a rating, of each
--   intent; the intent is the first that the bot understood
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not eligible, and those without a rating that can be read
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
    case when is_rated_positive then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_eligible and is_rated_positive is not null
