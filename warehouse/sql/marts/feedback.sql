-- One row per rating that was submitted.
-- key: conversation_id, sequence
-- load: by conversation_id on submitted_on
--
-- conversation_id   conversation that was rated
-- sequence          place of feedback.submitted in the conversation
-- session_id        session of the rating
-- channel           channel of the rating
-- participant_id    who rated; null if the event does not say
-- is_test           stored, but excluded from every metric
-- submitted_at      time of the rating, UTC
-- submitted_on      day of submitted_at in the reporting zone
-- score             payload.score; null without one, and if it is not a finite number
-- scale             payload.scale, the highest possible score; null without one
-- is_positive       at least 80 % of the scale, or of 5 without one; null without a score
-- comment           payload.comment
-- is_unreadable     the event has a score that is not a finite number
-- bot_id            bot of the last message of a bot before the rating; null without one
-- bot_version       version of the last bot before the rating that named one
-- control_owner     who had control: bot, human or none; null before the first control.changed

with

ratings as (
    select
        conversation_id,
        sequence,
        session_id,
        channel,
        participant_id,
        is_test,
        event_type,
        happened_at as submitted_at,
        happened_on as submitted_on,
        payload ->> '$.score' as score_text,
        try_cast(payload ->> '$.score' as double) as score_number,
        try_cast(payload ->> '$.scale' as double) as scale_number,
        payload ->> '$.comment' as comment,
        last_value(
            case when participant_role = 'bot' then participant_id end ignore nulls
        ) over (partition by conversation_id order by sequence) as bot_id,
        last_value(
            case when participant_role = 'bot' then bot_version end ignore nulls
        ) over (partition by conversation_id order by sequence) as bot_version,
        last_value(
            case when event_type = 'control.changed' then payload ->> '$.owner' end ignore nulls
        ) over (partition by conversation_id order by sequence) as control_owner
    from events
    where
        event_type in ('feedback.submitted', 'control.changed')
        or (
            event_type = 'message.created'
            and participant_role = 'bot'
            and visibility = 'public'
        )
)

select
    conversation_id,
    sequence,
    session_id,
    channel,
    participant_id,
    is_test,
    submitted_at,
    submitted_on,
    -- NaN and the infinities are outside.
    case when score_number between -1e300 and 1e300 then score_number end as score,
    case when scale_number between -1e300 and 1e300 then scale_number end as scale,
    case
        when score_number between -1e300 and 1e300
            then
                score_number >= 0.8 * coalesce(
                    case when scale_number between -1e300 and 1e300 then scale_number end, 5
                )
    end as is_positive,
    comment,
    score_text is not null
    and not coalesce(score_number between -1e300 and 1e300, false) as is_unreadable,
    bot_id,
    bot_version,
    control_owner
from ratings
where event_type = 'feedback.submitted'
