-- Cost by model
-- topic: cost
-- question: What does each model cost?
-- formula: sum of the costs that the bot reports, of each model
-- kind: sum
-- unit: USD
-- clock: event: the day of the call
-- maturity: 0 days
-- excludes: tests; calls without a price in US dollars are missing, never 0
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
    coalesce(model, 'unknown') as breakdown,
    cast(case when cost_currency = 'USD' then cost end as double) as value
from model_calls
where not is_test
