-- Tokens per durable bot resolution
-- topic: cost
-- question: How many tokens does a durable bot resolution take?
-- formula: tokens of the model calls of all eligible episodes, failed ones too ÷
--   durable bot resolutions; both only of episodes whose calls all report them
-- kind: quotient
-- unit: tokens
-- clock: cohort: the day on which the demand opened
-- maturity: 8 days
-- excludes: tests, episodes that are not eligible or have no model call; those
--   with a call without a number of tokens are missing, never 0
-- owner: analytics
-- version: 1
-- source: Convolake

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    cast(model_tokens as double) as value,
    case
        when
            model_tokens is not null
            and is_bot_resolved
            and (next_opened_at is null or next_opened_at > resolved_at + interval 7 day)
            then 1
        else 0
    end as denominator
from episode_outcomes
where is_eligible and model_call_count > 0
