-- One row per message and recipient: how far its delivery came.
-- key: conversation_id, message_id, participant_id
-- load: by conversation_id on first_on
--
-- conversation_id   conversation of the message
-- message_id        message that was delivered
-- participant_id    recipient; empty if the channel does not say
-- channel           channel of the first receipt
-- is_test           stored, but excluded from every metric
-- first_at          first receipt, UTC
-- first_on          day of first_at in the reporting zone
-- submitted_at      first message.submitted, UTC
-- delivered_at      first message.delivered, UTC; not after a failure of the same attempt
-- read_at           first message.read, UTC; not after a failure of the same attempt
-- failed_at         last message.failed, UTC, that is the last state
-- error_code        payload.error_code of that failure
-- status            last state: unknown, submitted, failed, delivered or read
-- attempt_count     attempts to deliver

with

ranked as (
    select
        conversation_id,
        message_id,
        coalesce(participant_id, '') as participant_id,
        channel,
        is_test,
        sequence,
        happened_at,
        happened_on,
        payload ->> '$.error_code' as error_code,
        coalesce(try_cast(payload ->> '$.attempt' as integer), 1) as attempt,
        case event_type
            when 'message.unconfirmed' then 0
            when 'message.submitted' then 1
            when 'message.failed' then 2
            when 'message.delivered' then 3
            when 'message.read' then 4
        end as status_rank
    from events
    where
        event_type in (
            'message.unconfirmed', 'message.submitted', 'message.failed', 'message.delivered',
            'message.read'
        )
),

ordered as (
    select
        conversation_id,
        message_id,
        participant_id,
        sequence,
        happened_at,
        error_code,
        attempt,
        status_rank,
        max(status_rank) over (
            partition by conversation_id, message_id, participant_id, attempt
            order by sequence rows between unbounded preceding and 1 preceding
        ) as rank_before,
        max(attempt) over (
            partition by conversation_id, message_id, participant_id
            order by sequence rows between unbounded preceding and 1 preceding
        ) as attempt_before
    from ranked
),

-- A failure is final for its attempt, unless the message was delivered before.
valid as (
    select
        conversation_id,
        message_id,
        participant_id,
        sequence,
        happened_at,
        error_code,
        status_rank,
        coalesce(attempt >= attempt_before, true)
        and coalesce(status_rank > rank_before, true) as is_progress
    from ordered
    qualify not coalesce(
        bool_or(status_rank = 2 and coalesce(rank_before, 0) < 2) over (
            partition by conversation_id, message_id, participant_id, attempt
            order by sequence rows between unbounded preceding and 1 preceding
        ),
        false
    )
),

progress as (
    select
        conversation_id,
        message_id,
        participant_id,
        min(happened_at) filter (where status_rank = 1) as submitted_at,
        min(happened_at) filter (where status_rank = 3) as delivered_at,
        min(happened_at) filter (where status_rank = 4) as read_at,
        arg_max(happened_at, sequence) filter (where is_progress) as last_at,
        arg_max_null(error_code, sequence) filter (where is_progress) as last_error,
        arg_max(status_rank, sequence) filter (where is_progress) as last_rank
    from valid
    group by conversation_id, message_id, participant_id
),

reported as (
    select
        conversation_id,
        message_id,
        participant_id,
        arg_min(channel, sequence) as channel,
        arg_min(is_test, sequence) as is_test,
        arg_min(happened_at, sequence) as first_at,
        arg_min(happened_on, sequence) as first_on,
        count(distinct attempt) as attempt_count
    from ranked
    group by conversation_id, message_id, participant_id
)

select
    reported.conversation_id,
    reported.message_id,
    reported.participant_id,
    reported.channel,
    reported.is_test,
    reported.first_at,
    reported.first_on,
    progress.submitted_at,
    progress.delivered_at,
    progress.read_at,
    case when progress.last_rank = 2 then progress.last_at end as failed_at,
    case when progress.last_rank = 2 then progress.last_error end as error_code,
    case progress.last_rank
        when 0 then 'unknown'
        when 1 then 'submitted'
        when 2 then 'failed'
        when 3 then 'delivered'
        when 4 then 'read'
    end as status,
    reported.attempt_count
from reported
inner join progress
    on
        reported.conversation_id = progress.conversation_id
        and reported.message_id = progress.message_id
        and reported.participant_id = progress.participant_id
