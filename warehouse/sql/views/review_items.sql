-- One row per conversation of a sample, also one that left it.
-- key: sample_id, conversation_id
-- load: view on sampled_on
--
-- sample_id               sample
-- conversation_id         conversation to review
-- stratum                 part of the population that it was drawn from; null without strata
-- inclusion_probability   chance to be drawn; a replacement takes that of the replaced one over
-- is_replacement          it took the place of another conversation
-- replaced_reason         why it left the sample; null if it is in the sample
-- review_count            reviews of it for this sample
-- sampled_at              time of the draw, or of the replacement that brought it in, UTC
-- sampled_on              day of sampled_at in the reporting zone
-- replaced_at             when it left the sample, UTC; null if it is in the sample

with

replacements as (
    select
        payload ->> '$.sample_id' as sample_id,
        payload ->> '$.conversation_id' as conversation_id,
        payload ->> '$.replacement' as replacement,
        payload ->> '$.reason' as reason,
        payload ->> '$.stratum' as stratum,
        cast(payload ->> '$.inclusion_probability' as double) as inclusion_probability,
        happened_at,
        happened_on
    from events
    where conversation_id is null and event_type = 'review.item_replaced'
),

items as (
    select
        sample_id,
        conversation_id,
        stratum,
        inclusion_probability,
        false as is_replacement,
        sampled_at,
        sampled_on
    from sampled_items
    union all
    select
        sample_id,
        replacement as conversation_id,
        stratum,
        inclusion_probability,
        true as is_replacement,
        happened_at as sampled_at,
        happened_on as sampled_on
    from replacements
    where replacement is not null
),

reviewed as (
    select
        assignment_id as sample_id,
        conversation_id,
        count(*) as review_count
    from reviews
    where assignment_id is not null
    group by assignment_id, conversation_id
)

select
    items.sample_id,
    items.conversation_id,
    items.stratum,
    items.inclusion_probability,
    items.is_replacement,
    replacements.reason as replaced_reason,
    coalesce(reviewed.review_count, 0) as review_count,
    items.sampled_at,
    items.sampled_on,
    replacements.happened_at as replaced_at
from items
left join replacements
    on
        items.sample_id = replacements.sample_id
        and items.conversation_id = replacements.conversation_id
left join reviewed
    on
        items.sample_id = reviewed.sample_id
        and items.conversation_id = reviewed.conversation_id
