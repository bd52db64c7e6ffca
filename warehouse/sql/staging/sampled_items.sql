-- One row per conversation that was drawn for a sample of reviews, as the draw says.
-- key: shard, position, item_number
-- load: append on sampled_on
--
-- shard                   partition of the log
-- position                place of the draw in the shard
-- item_number             place in the order of review, from 1
-- sample_id               sample
-- conversation_id         conversation that was drawn
-- stratum                 part of the population that it was drawn from; null without strata
-- inclusion_probability   chance of the conversation to be drawn
-- sampled_at              time of the draw, UTC
-- sampled_on              day of sampled_at in the reporting zone

with

draws as (
    select
        shard,
        position,
        payload ->> '$.sample_id' as sample_id,
        cast(happened_at at time zone 'UTC' as timestamp) as sampled_at,
        cast(happened_at at time zone getvariable('reporting_zone') as date) as sampled_on,
        unnest(json_extract(payload, '$.items[*]')) as item,
        unnest(range(1, cast(json_array_length(payload, '$.items') as bigint) + 1)) as item_number
    from sealed_events
    where rejection_reason is null and event_type = 'review.sampled'
)

select
    shard,
    position,
    item_number,
    sample_id,
    item ->> '$.conversation_id' as conversation_id,
    item ->> '$.stratum' as stratum,
    cast(item ->> '$.inclusion_probability' as double) as inclusion_probability,
    sampled_at,
    sampled_on
from draws
