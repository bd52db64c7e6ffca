-- Failed deliveries
-- topic: pipeline
-- question: Which share of messages does a channel not deliver?
-- formula: message and recipient pairs whose last state is failed ÷ pairs with a receipt
-- kind: ratio
-- unit: share
-- clock: event: the day of the first receipt
-- maturity: 0 days
-- excludes: test conversations, sends whose result is unknown
-- owner: analytics
-- version: 1
-- source: Twilio, WhatsApp

select
    conversation_id,
    first_on as active_on,
    channel,
    case when status = 'failed' then 1 else 0 end as numerator,
    1 as denominator
from receipts
where not is_test and status <> 'unknown'
