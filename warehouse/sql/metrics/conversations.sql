-- Conversations
-- topic: demand
-- question: How many conversations begin?
-- formula: conversations that started
-- kind: count
-- unit: conversations
-- clock: cohort: the day on which the conversation started
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Convolake

select
    conversation_id,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    1 as value
from conversations
where not is_test
