-- One row per request of a rating.
-- key: conversation_id, sequence
-- load: by conversation_id on requested_on
--
-- conversation_id   conversation in which a rating was requested
-- sequence          place of feedback.requested in the conversation
-- channel           channel of the request
-- is_test           stored, but excluded from every metric
-- requested_at      time of the request, UTC
-- requested_on      day of requested_at in the reporting zone
-- is_answered       a rating followed before the next request

with

steps as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        event_type,
        happened_at,
        happened_on,
        lead(event_type) over (partition by conversation_id order by sequence) as next_type
    from events
    where event_type in ('feedback.requested', 'feedback.submitted')
)

select
    conversation_id,
    sequence,
    channel,
    is_test,
    happened_at as requested_at,
    happened_on as requested_on,
    coalesce(next_type = 'feedback.submitted', false) as is_answered
from steps
where event_type = 'feedback.requested'
