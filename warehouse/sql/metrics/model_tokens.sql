-- Tokens
-- topic: cost
-- question: How many tokens do the bot's model calls use?
-- formula: sum of the tokens of model calls
-- kind: sum
-- unit: tokens
-- clock: event: the day of the call
-- maturity: 0 days
-- excludes: tests; calls without a number of tokens are missing and counted
-- owner: analytics
-- version: 1
-- source: OpenTelemetry

select
    conversation_id,
    sequence,
    called_on as active_on,
    channel,
    participant_id as bot_id,
    bot_version,
    total_tokens as value
from model_calls
where not is_test
