-- One row per handoff requested in a conversation.
-- key: conversation_id, handoff_id
-- load: by conversation_id on requested_on
--
-- conversation_id   conversation of the handoff
-- handoff_id        id shared by every event of one handoff
-- channel           channel of the request
-- is_test           stored, but excluded from every metric
-- requested_at      first handoff.requested, UTC
-- requested_on      day of requested_at in the reporting zone
-- reason            reason of the request; 'unknown' if it has none
-- queue             first queue
-- bot_version       version of the bot that requested it
-- accepted_at       first handoff.accepted, UTC; null if no agent accepted
-- agent_id          participant who accepted first
-- transfer_count    number of transfers to an agent or a queue
-- decline_count     number of declined assignments
-- returned_at       last handoff.returned, UTC; null if control never returned
-- closed_at         first handoff.closed, UTC; null while open
-- wait_seconds      requested_at to accepted_at; null without accepted_at, and if has_clock_skew
-- has_clock_skew    accepted_at is before requested_at: the clocks of two systems differ
-- outcome           accepted; else expired, abandoned (ended), superseded, declined or waiting

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
        count(*) filter (where event_type = 'handoff.expired') as expiries,
        min(sequence) filter (where event_type = 'handoff.requested') as requested_sequence
    from events
    where
        handoff_id is not null
        -- A stale step changed nothing.
        and coalesce(payload ->> '$.was_stale', 'false') <> 'true'
    group by conversation_id, handoff_id
)

select
    conversation_id,
    handoff_id,
    channel,
    is_test,
    requested_at,
    requested_on,
    coalesce(reason, 'unknown') as reason,
    queue,
    bot_version,
    accepted_at,
    agent_id,
    transfer_count,
    decline_count,
    returned_at,
    closed_at,
    case
        when accepted_at >= requested_at
            then
                date_diff(
                    'second', date_trunc('second', requested_at), date_trunc('second', accepted_at)
                )
    end as wait_seconds,
    coalesce(accepted_at < requested_at, false) as has_clock_skew,
    case
        when accepted_at is not null then 'accepted'
        when expiries > 0 then 'expired'
        when coalesce(closed_at, returned_at) is not null then 'abandoned'
        -- A conversation has one open handoff: the newest request.
        when
            lead(requested_sequence) over (
                partition by conversation_id order by requested_sequence
            ) is not null
            then 'superseded'
        when decline_count > 0 then 'declined'
        else 'waiting'
    end as outcome
from milestones
where requested_at is not null
