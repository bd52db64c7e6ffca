-- The calls of language models in $conversation_id, from sequence $first to $last.
-- `seconds`: as the bot measured the call, or else from the start of its turn to its completion;
-- null if it reported neither.

with

own_turns as (
    select
        sequence,
        event_type,
        happened_at,
        max(case when event_type = 'bot.turn_started' then sequence end) over before as started,
        max(case when event_type = 'bot.turn_started' then happened_at end) over before
            as started_at,
        max(case when event_type = 'bot.turn_completed' then sequence end) over before as ended
    from events
    where
        conversation_id = $conversation_id
        and happened_on between $first_on and $last_on
        and event_type in ('bot.turn_started', 'bot.turn_completed')
    window before as (
        partition by participant_id
        order by sequence
        rows between unbounded preceding and 1 preceding
    )
)

select
    model_calls.sequence,
    model_calls.model,
    model_calls.input_tokens,
    model_calls.output_tokens,
    model_calls.total_tokens,
    model_calls.cached_tokens,
    model_calls.reasoning_tokens,
    model_calls.first_chunk_seconds,
    model_calls.finish_reason,
    model_calls.error,
    cast(model_calls.cost as double) as cost,
    model_calls.cost_currency,
    case
        when model_calls.latency_seconds is not null then model_calls.latency_seconds
        when
            own_turns.started > coalesce(own_turns.ended, 0)
            and own_turns.happened_at >= own_turns.started_at
            then date_diff('millisecond', own_turns.started_at, own_turns.happened_at) / 1000.0
    end as seconds
from model_calls
inner join own_turns on model_calls.sequence = own_turns.sequence
where
    model_calls.conversation_id = $conversation_id
    and model_calls.called_on between $first_on and $last_on
    and model_calls.sequence between $first and $last
order by model_calls.sequence
