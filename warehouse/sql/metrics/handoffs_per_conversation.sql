-- Handoffs per conversation
-- topic: handoff
-- question: How often does a conversation go back and forth?
-- formula: requested handoffs ÷ conversations with a customer message
-- kind: ratio
-- unit: handoffs
-- clock: cohort: the day on which the conversation started
-- maturity: 0 days
-- excludes: tests, and conversations without a customer message
-- owner: analytics
-- version: 1
-- source: Convolake

select
    conversation_id,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    handoff_count as numerator,
    1 as denominator
from conversations
where not is_test and customer_message_count > 0
