-- Sessions by channel as recorded, and as another timeout would make them of the same messages.
--
-- $seconds: a message this long after the one before begins a session. $roles: whose count.

with

spoken as (
    select
        messages.conversation_id,
        messages.sequence,
        messages.session_id,
        messages.happened_at,
        conversations.channel,
        lag(messages.happened_at)
            over (partition by messages.conversation_id order by messages.sequence)
            as before_at
    from messages
    inner join conversations on messages.conversation_id = conversations.conversation_id
    where
        messages.visibility = 'public'
        and not messages.is_test
        and not conversations.is_test
        and list_contains($roles, messages.participant_role)
),

numbered as (
    select
        conversation_id,
        channel,
        session_id,
        happened_at,
        sum(
            case
                when before_at is null then 1
                when happened_at >= before_at + to_seconds($seconds) then 1
                else 0
            end
        ) over (partition by conversation_id order by sequence) as session_number
    from spoken
),

compared as (
    select
        channel,
        conversation_id,
        session_number,
        date_diff('second', min(happened_at), max(happened_at)) as seconds
    from numbered
    group by channel, conversation_id, session_number
),

recorded as (
    select
        channel,
        count(distinct session_id) as recorded_sessions,
        count(distinct conversation_id) as conversations
    from numbered
    group by channel
),

recomputed as (
    select
        channel,
        count(*) as compared_sessions,
        quantile_cont(seconds, 0.5) as compared_median_seconds
    from compared
    group by channel
)

select
    recorded.channel,
    recorded.conversations,
    recorded.recorded_sessions,
    recomputed.compared_sessions,
    recomputed.compared_sessions - recorded.recorded_sessions as difference,
    recomputed.compared_median_seconds
from recorded
inner join recomputed on recorded.channel = recomputed.channel
order by recorded.channel
