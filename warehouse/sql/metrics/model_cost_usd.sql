-- Cost of model calls
-- topic: cost
-- question: What do the bot's model calls cost?
-- formula: sum of the costs that the bot reports, at the price of the call's time
-- kind: sum
-- unit: USD
-- clock: event: the day of the call
-- maturity: 0 days
-- excludes: tests; calls without a price in US dollars are missing, never 0: see the coverage
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
    cast(case when cost_currency = 'USD' then cost end as double) as value
from model_calls
where not is_test
