-- One row per handoff requested in a conversation.
-- key: conversation_id, handoff_id
-- load: by conversation_id on requested_on
--
-- conversation_id      conversation of the handoff
-- handoff_id           id shared by every event of one handoff
-- channel              channel of the request
-- is_test              stored, but excluded from every metric
-- requested_sequence   place of the first handoff.requested
-- requested_at         first handoff.requested, UTC
-- requested_on         day of requested_at in the reporting zone
-- reason               reason of the request; 'unknown' if it has none
-- queue                first queue
-- bot_id               bot that requested it; null if the request does not name one
-- bot_version          version of the bot that requested it
-- accepted_at          first handoff.accepted, UTC; null if no agent accepted
-- agent_id             participant who accepted first
-- first_reply_at       first public message of an agent before the next request, UTC
-- transfer_count       number of transfers to an agent or a queue
-- decline_count        number of declined assignments
-- returned_at          last handoff.returned, UTC; null if control never returned
-- closed_at            first handoff.closed, UTC; null while open
-- ended_at             first end, UTC; null while open. The last customer who leaves ends it
-- end_cause            expired, returned, closed, resolved, customer_left, conversation_closed, ...
-- wait_seconds         requested_at to accepted_at; null without accepted_at, and if has_clock_skew
-- reply_seconds        requested_at to first_reply_at; null without one, and if has_clock_skew
-- has_clock_skew       accepted_at or first_reply_at is before requested_at
-- outcome              accepted, abandoned, expired, superseded, cancelled, declined or waiting
-- is_unserved          it ended without a public message of an agent; the customer did not leave

with

milestones as (
    select
        conversation_id,
        handoff_id,
        arg_min(channel, sequence) filter (where event_type = 'handoff.requested') as channel,
        bool_or(is_test) as is_test,
        arg_min(happened_at, sequence)
        filter (where event_type = 'handoff.requested') as requested_at,
        arg_min(happened_on, sequence)
        filter (where event_type = 'handoff.requested') as requested_on,
        arg_min_null(payload ->> '$.reason', sequence)
        filter (where event_type = 'handoff.requested') as reason,
        arg_min(queue, sequence) filter (where queue is not null) as queue,
        arg_min(participant_id, sequence) filter (
            where participant_id is not null
            and event_type = 'handoff.requested'
            and participant_role = 'bot'
        ) as bot_id,
        arg_min(bot_version, sequence) filter (where bot_version is not null) as bot_version,
        -- An agent who reconnects accepts again; only the first one ends the wait.
        arg_min(happened_at, sequence)
        filter (where event_type = 'handoff.accepted') as accepted_at,
        arg_min_null(participant_id, sequence)
        filter (where event_type = 'handoff.accepted') as agent_id,
        max(happened_at) filter (where event_type = 'handoff.returned') as returned_at,
        min(happened_at) filter (where event_type = 'handoff.closed') as closed_at,
        count(*) filter (where event_type = 'handoff.transferred') as transfer_count,
        count(*) filter (where event_type = 'handoff.declined') as decline_count,
        min(sequence) filter (where event_type = 'handoff.requested') as requested_sequence
    from events
    where
        handoff_id is not null
        -- A stale step changed nothing.
        and coalesce(payload ->> '$.was_stale', 'false') <> 'true'
    group by conversation_id, handoff_id
),

requested as (
    select
        conversation_id,
        handoff_id,
        channel,
        is_test,
        requested_at,
        requested_on,
        reason,
        queue,
        bot_id,
        bot_version,
        accepted_at,
        agent_id,
        returned_at,
        closed_at,
        transfer_count,
        decline_count,
        requested_sequence,
        coalesce(
            lead(requested_sequence) over (
                partition by conversation_id order by requested_sequence
            ),
            9223372036854775807
        ) as next_sequence
    from milestones
    where requested_at is not null
),

replies as (
    select
        requested.conversation_id,
        requested.handoff_id,
        arg_min(messages.happened_at, messages.sequence) as first_reply_at
    from requested
    inner join messages
        on
            requested.conversation_id = messages.conversation_id
            and requested.requested_sequence < messages.sequence
            and requested.next_sequence > messages.sequence
    where messages.participant_role = 'agent' and messages.visibility = 'public'
    group by requested.conversation_id, requested.handoff_id
),

-- What ends the wait or the work of the agent, the handoff's own events included.
ends as (
    select
        requested.conversation_id,
        requested.handoff_id,
        events.sequence,
        events.happened_at,
        case
            when events.event_type = 'handoff.expired' then 'expired'
            when events.event_type = 'handoff.returned' then 'returned'
            when (events.payload ->> '$.reason') = 'conversation_closed' then 'conversation_closed'
            when (events.payload ->> '$.reason') = 'customer_left' then 'customer_left'
            when events.event_type = 'handoff.closed' and events.participant_role = 'customer'
                then 'customer_left'
            when events.event_type = 'handoff.closed' then 'closed'
            when events.event_type = 'session.ended' then 'customer_left'
            when events.event_type = 'conversation.resolved' then 'resolved'
            when events.event_type = 'conversation.state_changed' then 'conversation_closed'
            else 'superseded'
        end as cause
    from requested
    inner join events
        on
            requested.conversation_id = events.conversation_id
            and requested.requested_sequence < events.sequence
            and requested.next_sequence >= events.sequence
    where
        coalesce(events.payload ->> '$.was_stale', 'false') <> 'true'
        and (
            (
                events.event_type in ('handoff.expired', 'handoff.returned', 'handoff.closed')
                and events.handoff_id = requested.handoff_id
            )
            -- The server ends the session when the last customer leaves.
            or (
                events.event_type = 'session.ended'
                and (events.payload ->> '$.reason') = 'participant_left'
            )
            or events.event_type = 'conversation.resolved'
            or (
                events.event_type = 'conversation.state_changed'
                and (events.payload ->> '$.to') = 'closed'
            )
            or (
                events.event_type = 'handoff.requested'
                and events.sequence = requested.next_sequence
            )
        )
),

ended as (
    select
        conversation_id,
        handoff_id,
        arg_min(happened_at, sequence) as ended_at,
        arg_min(cause, sequence) as end_cause
    from ends
    group by conversation_id, handoff_id
)

select
    requested.conversation_id,
    requested.handoff_id,
    requested.channel,
    requested.is_test,
    requested.requested_sequence,
    requested.requested_at,
    requested.requested_on,
    coalesce(requested.reason, 'unknown') as reason,
    requested.queue,
    requested.bot_id,
    requested.bot_version,
    requested.accepted_at,
    requested.agent_id,
    replies.first_reply_at,
    requested.transfer_count,
    requested.decline_count,
    requested.returned_at,
    requested.closed_at,
    ended.ended_at,
    ended.end_cause,
    case
        when requested.accepted_at >= requested.requested_at
            then
                date_diff(
                    'second',
                    date_trunc('second', requested.requested_at),
                    date_trunc('second', requested.accepted_at)
                )
    end as wait_seconds,
    case
        when replies.first_reply_at >= requested.requested_at
            then
                date_diff(
                    'second',
                    date_trunc('second', requested.requested_at),
                    date_trunc('second', replies.first_reply_at)
                )
    end as reply_seconds,
    coalesce(requested.accepted_at < requested.requested_at, false)
    or coalesce(replies.first_reply_at < requested.requested_at, false) as has_clock_skew,
    -- The first end of a wait, unless an agent accepts. Without an end: declined or waiting.
    case
        when requested.accepted_at is not null then 'accepted'
        when ended.end_cause = 'customer_left' then 'abandoned'
        when ended.end_cause in ('expired', 'superseded') then ended.end_cause
        when ended.end_cause is not null then 'cancelled'
        when requested.decline_count > 0 then 'declined'
        else 'waiting'
    end as outcome,
    replies.first_reply_at is null
    and coalesce(ended.end_cause not in ('customer_left', 'superseded'), false) as is_unserved
from requested
left join replies
    on
        requested.conversation_id = replies.conversation_id
        and requested.handoff_id = replies.handoff_id
left join ended
    on
        requested.conversation_id = ended.conversation_id
        and requested.handoff_id = ended.handoff_id
