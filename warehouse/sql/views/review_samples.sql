-- One row per sample of conversations to review, and how far its review is.
-- key: sample_id
-- load: view on sampled_on
--
-- sample_id                  sample
-- title                      its title
-- drawn_by                   who drew it
-- scorecard                  scorecard that it is reviewed with
-- scorecard_version          its version
-- sampling                   random, stratified or targeted
-- seed                       seed that repeats the draw
-- filters                    what defined the population, as JSON
-- is_calibration             it calibrates reviewers, and counts in no average
-- population                 conversations that it was drawn from
-- reviews_per_conversation   reviews that each conversation needs
-- item_count                 conversations in the sample
-- done_count                 conversations that have all of their reviews
-- review_count               reviews
-- replaced_count             conversations that left it
-- due_on                     last day for its review; null without one
-- sampled_at                 time of the draw, UTC
-- sampled_on                 day of sampled_at in the reporting zone

with

drawn as (
    select
        payload ->> '$.sample_id' as sample_id,
        payload ->> '$.title' as title,
        participant_id as drawn_by,
        payload ->> '$.scorecard' as scorecard,
        cast(payload ->> '$.scorecard_version' as bigint) as scorecard_version,
        payload ->> '$.sampling' as sampling,
        cast(payload ->> '$.seed' as bigint) as seed,
        payload ->> '$.filters' as filters,
        coalesce(payload ->> '$.is_calibration', 'false') = 'true' as is_calibration,
        cast(payload ->> '$.population' as bigint) as population,
        coalesce(cast(payload ->> '$.reviews_per_conversation' as bigint), 1)
            as reviews_per_conversation,
        cast(payload ->> '$.due_on' as date) as due_on,
        happened_at as sampled_at,
        happened_on as sampled_on
    from events
    where conversation_id is null and event_type = 'review.sampled'
),

counted as (
    select
        drawn.sample_id,
        count(*) filter (where items.replaced_at is null) as item_count,
        count(*) filter (
            where
            items.replaced_at is null
            and items.review_count >= drawn.reviews_per_conversation
        ) as done_count,
        cast(sum(items.review_count) as bigint) as review_count,
        count(*) filter (where items.replaced_at is not null) as replaced_count
    from drawn
    inner join review_items as items on drawn.sample_id = items.sample_id
    group by drawn.sample_id
)

select
    drawn.sample_id,
    drawn.title,
    drawn.drawn_by,
    drawn.scorecard,
    drawn.scorecard_version,
    drawn.sampling,
    drawn.seed,
    drawn.filters,
    drawn.is_calibration,
    drawn.population,
    drawn.reviews_per_conversation,
    coalesce(counted.item_count, 0) as item_count,
    coalesce(counted.done_count, 0) as done_count,
    coalesce(counted.review_count, 0) as review_count,
    coalesce(counted.replaced_count, 0) as replaced_count,
    drawn.due_on,
    drawn.sampled_at,
    drawn.sampled_on
from drawn
left join counted on drawn.sample_id = counted.sample_id
