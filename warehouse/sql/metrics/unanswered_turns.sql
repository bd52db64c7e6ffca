-- Unanswered turns
-- topic: bot
-- question: Which share of the bot's turns gets no answer?
-- formula: turns that started while the bot had control, without an answer and without a
--   resolution ÷ turns that started while the bot had control
-- kind: ratio
-- unit: share
-- clock: event: the day on which the turn started
-- maturity: 0 days
-- excludes: tests, turns under another owner
-- owner: analytics
-- version: 2
-- source: Convolake

select
    conversation_id,
    started_sequence as sequence,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when replied_at is null and not is_resolved then 1 else 0 end as numerator,
    1 as denominator
from turns
where not is_test and owner = 'bot'
