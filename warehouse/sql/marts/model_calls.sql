-- One row per call of a language model that a bot reported.
-- key: conversation_id, sequence
-- load: by conversation_id on called_on
--
-- conversation_id   conversation of the call
-- sequence          place of bot.turn_completed in the conversation
-- session_id        session of the call
-- channel           channel of the conversation
-- is_test           stored, but excluded from every metric
-- participant_id    the bot
-- bot_version       version of the bot
-- model             payload.model_call.model
-- called_at         time of the event, UTC
-- called_on         day of called_at in the reporting zone
-- input_tokens      payload.model_call.input_tokens; null if not reported
-- output_tokens     payload.model_call.output_tokens; null if not reported
-- total_tokens      payload.model_call.tokens, or else the sum of the two; null if not reported
-- cached_tokens     payload.model_call.cached_tokens: from a cache, part of input_tokens
-- reasoning_tokens  payload.model_call.reasoning_tokens: tokens of thought, part of output_tokens
-- latency_seconds   payload.model_call.latency_seconds: until the answer was complete
-- first_chunk_seconds  payload.model_call.first_chunk_seconds: until the answer began
-- finish_reason     payload.model_call.finish_reason: why the model stopped
-- error             payload.model_call.error: why the call failed; null if it did not
-- cost              price at the time of the call, as the bot reports it; null if unknown, never 0
-- cost_currency     currency of cost: payload.model_call.currency, USD unless the bot says another

select
    conversation_id,
    sequence,
    session_id,
    channel,
    is_test,
    participant_id,
    bot_version,
    payload ->> '$.model_call.model' as model,
    happened_at as called_at,
    happened_on as called_on,
    try_cast(payload ->> '$.model_call.input_tokens' as bigint) as input_tokens,
    try_cast(payload ->> '$.model_call.output_tokens' as bigint) as output_tokens,
    coalesce(
        try_cast(payload ->> '$.model_call.tokens' as bigint),
        try_cast(payload ->> '$.model_call.input_tokens' as bigint)
        + try_cast(payload ->> '$.model_call.output_tokens' as bigint)
    ) as total_tokens,
    try_cast(payload ->> '$.model_call.cached_tokens' as bigint) as cached_tokens,
    try_cast(payload ->> '$.model_call.reasoning_tokens' as bigint) as reasoning_tokens,
    try_cast(payload ->> '$.model_call.latency_seconds' as double) as latency_seconds,
    try_cast(payload ->> '$.model_call.first_chunk_seconds' as double) as first_chunk_seconds,
    payload ->> '$.model_call.finish_reason' as finish_reason,
    payload ->> '$.model_call.error' as error,
    try_cast(payload ->> '$.model_call.cost' as decimal(18, 9)) as cost,
    case
        when (payload ->> '$.model_call.cost') is not null
            then coalesce(payload ->> '$.model_call.currency', 'USD')
    end as cost_currency
from events
where event_type = 'bot.turn_completed' and (payload ->> '$.model_call') is not null
