-- Coverage of the cost
-- topic: cost
-- question: For which share of model calls is the price known?
-- formula: model calls with a cost in US dollars ÷ model calls
-- kind: ratio
-- unit: share
-- clock: event: the day of the call
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Langfuse

select
    conversation_id,
    sequence,
    called_on as active_on,
    channel,
    participant_id as bot_id,
    bot_version,
    case when cost is not null and cost_currency = 'USD' then 1 else 0 end as numerator,
    1 as denominator
from model_calls
where not is_test
