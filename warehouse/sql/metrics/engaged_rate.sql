-- Engaged rate
-- topic: demand
-- question: In which share of conversations does the customer write?
-- formula: conversations with a customer message ÷ conversations
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the conversation started
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Infobip, Ada

select
    conversation_id,
    started_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when customer_message_count > 0 then 1 else 0 end as numerator,
    1 as denominator
from conversations
where not is_test
