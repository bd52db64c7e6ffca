-- Turns per conversation
-- topic: demand
-- question: How many turns does a conversation take?
-- formula: turns ÷ conversations with a customer message; customer messages in a row are one
--   turn, unless the conversation was resolved between them
-- kind: ratio
-- unit: turns
-- clock: cohort: the day on which the conversation started
-- maturity: 0 days
-- excludes: tests, and conversations without a customer message
-- owner: analytics
-- version: 2
-- source: Amazon Connect

select
    conversation_id,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    turn_count as numerator,
    1 as denominator
from conversations
where not is_test and customer_message_count > 0
