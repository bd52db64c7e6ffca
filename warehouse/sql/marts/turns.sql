-- One row per turn: customer messages in a row, without a resolution between them, and the reply.
-- key: conversation_id, turn_number
-- load: by conversation_id on started_on
--
-- conversation_id          conversation of the turn
-- turn_number              first, second ... turn of the conversation, from 1
-- session_id               session of the first message
-- channel                  channel of the first message
-- is_test                  stored, but excluded from every metric
-- started_sequence         place of the first customer message
-- started_at               time of the first customer message, UTC
-- started_on               day of started_at in the reporting zone
-- owner                    who had control when it started: bot, queue, agent or none
-- customer_message_count   customer messages in a row
-- bot_message_count        messages of the bot before the next turn
-- agent_message_count      public messages of agents before the next turn
-- replied_at               first message of the bot or an agent, UTC; none after the resolution
-- replied_by               bot or agent; null without a reply
-- reply_seconds            started_at to replied_at; null without a reply, and if has_clock_skew
-- has_clock_skew           replied_at is before started_at: the clocks of two systems differ
-- bot_id                   bot that answered first
-- bot_version              version of the bot that answered first
-- intent                   what the bot understood: the first payload.nlu.intent of the turn
-- confidence               confidence of that intent, 0 to 1
-- is_resolved              the conversation was resolved before the next turn
-- has_nlu                  a message of the turn has payload.nlu
-- is_fallback              the bot understood nothing, in any message of the turn

with

-- A message after a resolution opens another demand: it continues no row.
steps as (
    select
        conversation_id,
        sequence,
        participant_role as step,
        session_id,
        channel,
        bot_version,
        participant_id,
        is_test,
        happened_at,
        happened_on,
        payload
    from messages
    where visibility = 'public' and participant_role in ('customer', 'bot', 'agent')
    union all
    select
        conversation_id,
        sequence,
        'resolution' as step,
        null as session_id,
        channel,
        null as bot_version,
        null as participant_id,
        is_test,
        resolved_at as happened_at,
        resolved_on as happened_on,
        null as payload
    from resolutions
),

-- A message after the resolution of its turn is a follow-up, and no reply.
ordered as (
    select
        *,
        lag(step) over (partition by conversation_id order by sequence) as step_before,
        max(case when step = 'customer' then sequence end)
            over (partition by conversation_id order by sequence)
            as customer_sequence,
        max(case when step = 'resolution' then sequence end)
            over (partition by conversation_id order by sequence)
            as resolution_sequence
    from steps
),

numbered as (
    select
        *,
        sum(
            case
                when step = 'customer' and step_before is distinct from 'customer' then 1 else 0
            end
        )
            over (partition by conversation_id order by sequence)
            as turn_number
    from ordered
),

turns as (
    select
        conversation_id,
        cast(turn_number as bigint) as turn_number,
        arg_min_null(session_id, sequence) as session_id,
        arg_min(channel, sequence) as channel,
        arg_min(is_test, sequence) as is_test,
        min(sequence) as started_sequence,
        arg_min(happened_at, sequence) as started_at,
        arg_min(happened_on, sequence) as started_on,
        count(*) filter (where step = 'customer') as customer_message_count,
        count(*) filter (where step = 'bot') as bot_message_count,
        count(*) filter (where step = 'agent') as agent_message_count,
        arg_min(happened_at, sequence) filter (
            where step in ('bot', 'agent') and coalesce(resolution_sequence, 0) < customer_sequence
        ) as replied_at,
        arg_min(step, sequence) filter (
            where step in ('bot', 'agent') and coalesce(resolution_sequence, 0) < customer_sequence
        ) as replied_by,
        arg_min(participant_id, sequence) filter (
            where step = 'bot' and participant_id is not null
        ) as bot_id,
        arg_min(bot_version, sequence) filter (where bot_version is not null) as bot_version,
        arg_min(payload ->> '$.nlu.intent', sequence)
        filter (where (payload ->> '$.nlu.intent') is not null) as intent,
        arg_min_null(try_cast(payload ->> '$.nlu.confidence' as double), sequence)
        filter (where (payload ->> '$.nlu.intent') is not null) as confidence,
        count(*) filter (where step = 'resolution') > 0 as is_resolved,
        count(*) filter (where (payload ->> '$.nlu') is not null) > 0 as has_nlu,
        count(*) filter (where (payload ->> '$.nlu.is_fallback') = 'true') > 0 as is_fallback
    from numbered
    where turn_number > 0
    group by conversation_id, turn_number
)

select
    turns.conversation_id,
    turns.turn_number,
    turns.session_id,
    turns.channel,
    turns.is_test,
    turns.started_sequence,
    turns.started_at,
    turns.started_on,
    coalesce(control_spans.owner, 'none') as owner,
    turns.customer_message_count,
    turns.bot_message_count,
    turns.agent_message_count,
    turns.replied_at,
    turns.replied_by,
    case
        when turns.replied_at >= turns.started_at
            then
                date_diff(
                    'second',
                    date_trunc('second', turns.started_at),
                    date_trunc('second', turns.replied_at)
                )
    end as reply_seconds,
    coalesce(turns.replied_at < turns.started_at, false) as has_clock_skew,
    turns.bot_id,
    turns.bot_version,
    turns.intent,
    turns.confidence,
    turns.is_resolved,
    turns.has_nlu,
    turns.is_fallback
from turns
left join control_spans
    on
        turns.conversation_id = control_spans.conversation_id
        and turns.started_sequence >= control_spans.started_sequence
        and turns.started_sequence < coalesce(control_spans.ended_sequence, 9223372036854775807)
