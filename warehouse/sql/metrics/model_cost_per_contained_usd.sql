-- Cost per contained demand
-- topic: cost
-- question: What does a contained demand cost?
-- formula: cost in US dollars of the model calls of all eligible episodes, failed ones too ÷
--   contained ones; both only of episodes whose calls all report them
-- kind: quotient
-- unit: USD
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not eligible or have no model call; those
--   with a call without a price are missing, never 0
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
    cast(model_cost_usd as double) as value,
    case
        when
            model_cost_usd is not null
            and is_contained
            then 1
        else 0
    end as denominator
from episode_outcomes
where is_eligible and model_call_count > 0
