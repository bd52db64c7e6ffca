-- One row per span of control: who had to answer, until the next change or the end.
-- key: conversation_id, span_number
-- load: by conversation_id on started_on
--
-- conversation_id    conversation of the span
-- span_number        first, second ... span of the conversation, from 1
-- owner              bot, queue (a human is requested, none has it), agent, or none
-- agent_id           the agent; null for other owners, and if no single agent has control
-- queue              queue of the handoff that waits; null for other owners
-- channel            channel of the event that started the span
-- is_test            stored, but excluded from every metric
-- started_sequence   place of the event that started the span
-- started_at         time of that event, UTC
-- started_on         day of started_at in the reporting zone
-- ended_sequence     place of the event that ended the span; null while it lasts
-- ended_at           time of that event, UTC; null while the span lasts
-- active_seconds     started_at to ended_at; null while it lasts, and if has_clock_skew
-- has_clock_skew     ended_at is before started_at: the clocks of two systems differ

with

-- What each event says. Before the first control.changed, the first bot or agent has it.
marks as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        happened_at,
        happened_on,
        queue,
        case
            when event_type = 'control.changed' and (payload ->> '$.owner') = 'human'
                then
                    case
                        when (payload ->> '$.participant_id') is null then 'queue'
                        else 'agent'
                    end
            when event_type = 'control.changed' then payload ->> '$.owner'
        end as changed_to,
        case when event_type = 'control.changed' then payload ->> '$.participant_id' end
            as changed_agent,
        case
            when event_type = 'control.changed' then 'changed'
            when
                event_type = 'conversation.created'
                and cast(payload -> '$.participants' as varchar)
                like '%"participant_role":"bot"%' then 'bot'
            when
                event_type = 'conversation.created'
                and cast(payload -> '$.participants' as varchar)
                like '%"participant_role":"agent"%' then 'agent'
            when
                participant_role in ('bot', 'agent') and source <> 'convolake'
                -- Who is only offered a handoff does not join; control.changed follows accepted.
                and event_type not in ('handoff.assigned', 'handoff.declined')
                and (
                    event_type <> 'handoff.accepted'
                    or coalesce(payload ->> '$.was_stale', 'false') = 'true'
                )
                then participant_role
        end as first_owner,
        case
            when coalesce(payload ->> '$.was_stale', 'false') = 'true' then null
            when
                event_type in (
                    'handoff.requested', 'handoff.queued', 'handoff.assigned', 'handoff.declined',
                    'handoff.transferred'
                ) then true
            -- After handoff.accepted, control.changed follows.
            when
                event_type in ('handoff.returned', 'handoff.closed', 'handoff.expired') then false
        end as is_waiting,
        event_type = 'conversation.state_changed'
        and (payload ->> '$.to') = 'closed' as is_closing
    from events
    where
        conversation_id is not null
        and (
            participant_role in ('bot', 'agent')
            or event_type in (
                'conversation.created', 'conversation.state_changed', 'control.changed'
            )
            or handoff_id is not null
        )
),

-- What was known after each event.
known as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        happened_at,
        happened_on,
        is_closing,
        last_value(changed_to ignore nulls)
            over (partition by conversation_id order by sequence)
            as changed_to,
        last_value(
            case when changed_to is not null then coalesce(changed_agent, '') end ignore nulls
        )
            over (partition by conversation_id order by sequence)
            as changed_agent,
        first_value(first_owner ignore nulls)
            over (
                partition by conversation_id order by sequence
                rows between unbounded preceding and current row
            )
            as first_owner,
        coalesce(
            last_value(is_waiting ignore nulls)
                over (partition by conversation_id order by sequence),
            false
        ) as is_waiting,
        last_value(case when is_waiting then coalesce(queue, '') end ignore nulls)
            over (partition by conversation_id order by sequence)
            as waiting_queue,
        coalesce(
            max(case when is_closing then 1 else 0 end) over (
                partition by conversation_id order by sequence
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) = 1 as was_closed
    from marks
),

owners as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        happened_at,
        happened_on,
        is_closing,
        changed_agent,
        waiting_queue,
        case
            when is_closing then null
            when changed_to in ('agent', 'queue') then changed_to
            when is_waiting then 'queue'
            when changed_to is not null then changed_to
            when first_owner = 'changed' then 'none'
            else coalesce(first_owner, 'none')
        end as owner
    from known
    where not was_closed
),

named as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        happened_at,
        happened_on,
        owner,
        case when owner = 'agent' then nullif(changed_agent, '') end as agent_id,
        case when owner = 'queue' then nullif(waiting_queue, '') end as queue
    from owners
),

changes as (
    select
        conversation_id,
        sequence,
        channel,
        is_test,
        happened_at,
        happened_on,
        owner,
        agent_id,
        queue
    from named
    qualify
        row_number() over (partition by conversation_id order by sequence) = 1
        or owner is distinct from lag(owner) over (partition by conversation_id order by sequence)
        or agent_id
        is distinct from lag(agent_id) over (partition by conversation_id order by sequence)
),

spans as (
    select
        conversation_id,
        owner,
        agent_id,
        queue,
        channel,
        is_test,
        sequence as started_sequence,
        happened_at as started_at,
        happened_on as started_on,
        lead(sequence) over (partition by conversation_id order by sequence) as ended_sequence,
        lead(happened_at) over (partition by conversation_id order by sequence) as ended_at,
        row_number() over (partition by conversation_id order by sequence) as span_number
    from changes
)

select
    conversation_id,
    span_number,
    owner,
    agent_id,
    queue,
    channel,
    is_test,
    started_sequence,
    started_at,
    started_on,
    ended_sequence,
    ended_at,
    case
        when ended_at >= started_at
            then
                date_diff(
                    'second', date_trunc('second', started_at), date_trunc('second', ended_at)
                )
    end as active_seconds,
    coalesce(ended_at < started_at, false) as has_clock_skew
from spans
where owner is not null
