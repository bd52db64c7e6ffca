-- Fallback rate
-- topic: bot
-- question: In which share of turns does the bot not understand the customer?
-- formula: turns with a fallback (payload.nlu.is_fallback) ÷ turns with payload.nlu
-- kind: ratio
-- unit: share
-- clock: event: the day on which the turn started
-- maturity: 0 days
-- excludes: tests, turns for which the bot reports no understanding
-- owner: analytics
-- version: 2
-- source: Amazon Lex

select
    conversation_id,
    started_sequence as sequence,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_fallback then 1 else 0 end as numerator,
    1 as denominator
from turns
where not is_test and has_nlu
