-- One row per session: a run of activity in a conversation, with the boundaries that the log wrote.
-- key: session_id
-- load: by conversation_id on started_on
--
-- session_id               id on every event of the session
-- conversation_id          conversation of the session
-- session_number           first, second ... session of the conversation, from 1
-- channel                  channel of the conversation
-- is_test                  stored, but excluded from every metric
-- started_at               first event, UTC
-- started_on               day of started_at in the reporting zone
-- ended_at                 session.ended, UTC; null while it is open
-- end_reason               timeout, max_length, participant_left, conversation_closed or explicit
-- latest_at                latest activity, UTC: an event that the server did not write itself
-- active_seconds           started_at to latest_at
-- message_count            public messages; test messages only in a test
-- customer_message_count   of those, from customers
-- bot_message_count        of those, from bots
-- agent_message_count      of those, from agents

with

boundaries as (
    select
        session_id,
        any_value(conversation_id) as conversation_id,
        min(try_cast(payload ->> '$.number' as integer))
        filter (where event_type = 'session.started') as session_number,
        arg_min(channel, sequence) as channel,
        arg_min(is_test, sequence) as is_test,
        arg_min(happened_at, sequence) as started_at,
        arg_min(happened_on, sequence) as started_on,
        arg_min(happened_at, sequence) filter (where event_type = 'session.ended') as ended_at,
        arg_min_null(payload ->> '$.reason', sequence)
        filter (where event_type = 'session.ended') as end_reason,
        -- The server's events have the times at which timers were due: no activity.
        coalesce(
            max(happened_at) filter (where source is distinct from 'convolake'),
            arg_min(happened_at, sequence)
        ) as latest_at
    from events
    where session_id is not null
    group by session_id
),

counted as (
    select
        messages.session_id,
        count(*) as message_count,
        count(*) filter (where messages.participant_role = 'customer') as customer_message_count,
        count(*) filter (where messages.participant_role = 'bot') as bot_message_count,
        count(*) filter (where messages.participant_role = 'agent') as agent_message_count
    from messages
    inner join boundaries on messages.session_id = boundaries.session_id
    -- A test message in a real session does not count.
    where
        messages.visibility = 'public'
        and messages.is_test is not distinct from boundaries.is_test
    group by messages.session_id
)

select
    boundaries.session_id,
    boundaries.conversation_id,
    boundaries.session_number,
    boundaries.channel,
    boundaries.is_test,
    boundaries.started_at,
    boundaries.started_on,
    boundaries.ended_at,
    boundaries.end_reason,
    boundaries.latest_at,
    date_diff(
        'second',
        date_trunc('second', boundaries.started_at),
        date_trunc('second', boundaries.latest_at)
    ) as active_seconds,
    coalesce(counted.message_count, 0) as message_count,
    coalesce(counted.customer_message_count, 0) as customer_message_count,
    coalesce(counted.bot_message_count, 0) as bot_message_count,
    coalesce(counted.agent_message_count, 0) as agent_message_count
from boundaries
left join counted on boundaries.session_id = counted.session_id
