-- One row per review: the judgement as it is after its disputes.
-- key: review_id
-- load: view on submitted_on
--
-- review_id               event_id of review.submitted
-- conversation_id         conversation that was reviewed
-- message_id              message that was reviewed; null for the whole conversation
-- reviewer                who reviewed
-- reviewee                bot version or participant who was reviewed
-- submitted_at            time of the review, UTC
-- submitted_on            day of submitted_at in the reporting zone
-- scorecard               scorecard
-- scorecard_version       its version
-- score                   0 to 100, after the last decision
-- first_score             0 to 100, as it was submitted
-- ratings                 0 to 1 by category, as JSON, after the last decision; null: left out
-- causes                  causes of low ratings by category, as JSON
-- is_critical_failure     a critical category failed, after the last decision
-- comment                 comment of the reviewer
-- pinned_comments         comments on messages, as JSON: message_id, text, start, end
-- corrected_answers       what messages should have said, as JSON: message_id, text
-- tags                    tags, as JSON
-- assignment_id           sample that the conversation was drawn for
-- sampling                random, stratified, targeted or adhoc; averages are over random ones
-- inclusion_probability   chance of the conversation to be drawn
-- is_calibration          it calibrates reviewers, and counts in no average
-- seconds_spent           time that the review took
-- status                  submitted, disputed, upheld or changed
-- dispute_count           disputes
-- disputed_at             last dispute, UTC
-- resolved_at             last decision on a dispute, UTC
-- acknowledged_by         who acknowledged the review first; null without one
-- acknowledged_at         first acknowledgement, UTC

with

submitted as (
    select
        event_id as review_id,
        payload ->> '$.conversation_id' as conversation_id,
        payload ->> '$.message_id' as message_id,
        participant_id as reviewer,
        payload ->> '$.reviewee' as reviewee,
        happened_at as submitted_at,
        happened_on as submitted_on,
        payload ->> '$.scorecard' as scorecard,
        cast(payload ->> '$.scorecard_version' as bigint) as scorecard_version,
        cast(payload ->> '$.score' as double) as score,
        payload ->> '$.ratings' as ratings,
        payload ->> '$.causes' as causes,
        coalesce(payload ->> '$.is_critical_failure', 'false') = 'true' as is_critical_failure,
        payload ->> '$.comment' as comment,
        payload ->> '$.comments' as pinned_comments,
        payload ->> '$.corrected_answers' as corrected_answers,
        payload ->> '$.tags' as tags,
        payload ->> '$.assignment_id' as assignment_id,
        coalesce(payload ->> '$.sampling', 'adhoc') as sampling,
        cast(payload ->> '$.inclusion_probability' as double) as inclusion_probability,
        coalesce(payload ->> '$.is_calibration', 'false') = 'true' as is_calibration,
        cast(payload ->> '$.seconds_spent' as bigint) as seconds_spent
    from events
    where conversation_id is null and event_type = 'review.submitted'
),

steps as (
    select
        payload ->> '$.review_id' as review_id,
        position,
        event_type,
        participant_id,
        happened_at,
        payload ->> '$.outcome' as outcome,
        payload ->> '$.is_critical_failure' as is_critical_failure,
        cast(payload ->> '$.score' as double) as score,
        payload ->> '$.ratings' as ratings
    from events
    where
        conversation_id is null
        and event_type in ('review.disputed', 'review.resolved', 'review.acknowledged')
),

folded as (
    select
        review_id,
        count(*) filter (where event_type = 'review.disputed') as dispute_count,
        max(happened_at) filter (where event_type = 'review.disputed') as disputed_at,
        max(happened_at) filter (where event_type = 'review.resolved') as resolved_at,
        arg_max(
            case when event_type = 'review.disputed' then 'disputed' else outcome end, position
        ) filter (where event_type <> 'review.acknowledged') as status,
        arg_max(score, position) filter (where score is not null) as score,
        arg_max(ratings, position) filter (where ratings is not null) as ratings,
        arg_max(is_critical_failure, position)
        filter (where is_critical_failure is not null) as is_critical_failure,
        arg_min(participant_id, position)
        filter (where event_type = 'review.acknowledged' and participant_id is not null)
            as acknowledged_by,
        min(happened_at) filter (where event_type = 'review.acknowledged') as acknowledged_at
    from steps
    group by review_id
)

select
    submitted.review_id,
    submitted.conversation_id,
    submitted.message_id,
    submitted.reviewer,
    submitted.reviewee,
    submitted.submitted_at,
    submitted.submitted_on,
    submitted.scorecard,
    submitted.scorecard_version,
    coalesce(folded.score, submitted.score) as score,
    submitted.score as first_score,
    coalesce(folded.ratings, submitted.ratings) as ratings,
    submitted.causes,
    case
        when folded.is_critical_failure is null then submitted.is_critical_failure
        else folded.is_critical_failure = 'true'
    end as is_critical_failure,
    submitted.comment,
    submitted.pinned_comments,
    submitted.corrected_answers,
    submitted.tags,
    submitted.assignment_id,
    submitted.sampling,
    submitted.inclusion_probability,
    submitted.is_calibration,
    submitted.seconds_spent,
    coalesce(folded.status, 'submitted') as status,
    coalesce(folded.dispute_count, 0) as dispute_count,
    folded.disputed_at,
    folded.resolved_at,
    folded.acknowledged_by,
    folded.acknowledged_at
from submitted
left join folded on submitted.review_id = folded.review_id
