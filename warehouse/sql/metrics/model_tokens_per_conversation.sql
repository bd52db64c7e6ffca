-- Tokens per conversation
-- topic: cost
-- question: How many tokens does a conversation use?
-- formula: tokens of all model calls of a conversation ÷ conversations whose calls
--   all report them
-- kind: quotient
-- unit: tokens
-- clock: cohort: the day on which the conversation started
-- maturity: 0 days
-- excludes: tests, conversations without a model call; those with a call without a number of tokens
--   are missing, never 0
-- owner: analytics
-- version: 1
-- source: OpenTelemetry, Langfuse

with

called as (
    select
        model_calls.conversation_id,
        case
            when count(model_calls.total_tokens) = count(*)
                then cast(sum(model_calls.total_tokens) as double)
        end as total
    from model_calls
    group by model_calls.conversation_id
)

select
    conversations.conversation_id,
    conversations.started_on as active_on,
    conversations.channel,
    conversations.bot_id,
    conversations.bot_version,
    called.total as value,
    case when called.total is not null then 1 else 0 end as denominator
from conversations
left join called on conversations.conversation_id = called.conversation_id
where not conversations.is_test and called.conversation_id is not null
