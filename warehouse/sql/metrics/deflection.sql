-- Deflection
-- topic: bot
-- question: Which share of demands did no human work on?
-- formula: final episodes without an accepted handoff and without a message of an agent ÷
--   final episodes; a demand abandoned in the queue is deflected, but not contained
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not final
-- owner: analytics
-- version: 1
-- source: Intercom: resolution and deflection

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when not is_served_by_human then 1 else 0 end as numerator,
    1 as denominator
from episode_outcomes
where is_final and not is_test
