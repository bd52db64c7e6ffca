-- One row per episode: one demand of a customer, from its first message to the resolution.
-- key: conversation_id, episode_number
-- load: by conversation_id on opened_on
--
-- conversation_id          conversation of the episode
-- episode_number           first, second ... episode of the conversation, from 1
-- opened_by                first (message), message (after a resolution) or reopened (without one)
-- channel                  channel of the conversation
-- contact_id               the customer's contact; null if unknown
-- is_test                  stored, but excluded from every metric
-- opened_sequence          place of the event that opened it
-- opened_at                time of that event, UTC
-- opened_on                day of opened_at in the reporting zone
-- next_opened_at           when the next episode of the conversation opened, UTC; null for the last
-- customer_message_count   public messages of customers
-- bot_message_count        of the bot
-- bot_answer_count         of those, without a fallback (payload.nlu.is_fallback)
-- agent_message_count      public messages of agents
-- last_message_at          last public message, UTC
-- last_message_role        who wrote it: customer, bot or agent
-- bot_id                   bot that answered first
-- bot_version              version of the bot that answered first
-- first_reply_by           bot or agent: who answered first in the log; null without an answer
-- first_bot_reply_at       first message of the bot, UTC
-- first_agent_reply_at     first public message of an agent, UTC
-- handoff_count            handoffs requested
-- first_handoff_at         first request of a human, UTC
-- first_handoff_reason     its reason
-- messages_before_handoff  customer messages before it; null without a handoff
-- accepted_handoff_count   handoffs that an agent accepted
-- resolved_at              first resolution, UTC; null if it was not resolved
-- resolved_by              bot, agent or customer; null if the event does not say
-- is_confirmed             the customer confirmed the resolution
-- closed_at                the conversation was closed, UTC
-- close_reason             payload.reason of that event; timer if the server closed it
-- idle_at                  the session ended after the last message, UTC; null if it did not
-- feedback_score           score of the last rating; null without one
-- is_rated_positive        the last rating is positive; null without one that can be read
-- first_intent             first intent that the bot understood; null without one
-- last_intent              last intent that the bot reported; 'fallback' if it understood nothing
-- model_call_count         calls of language models that the bot reported
-- model_tokens             their tokens; null without a call, and if one does not report them
-- model_cost_usd           their cost in US dollars; null without a call, and if one has no price

with

spoken as (
    select
        messages.conversation_id,
        messages.sequence,
        messages.participant_role,
        messages.happened_at,
        messages.happened_on,
        messages.bot_version,
        messages.participant_id,
        coalesce((messages.payload ->> '$.nlu.is_fallback') = 'true', false) as is_fallback,
        messages.payload ->> '$.nlu.intent' as intent
    from messages
    inner join conversations on messages.conversation_id = conversations.conversation_id
    where
        messages.visibility = 'public'
        and messages.participant_role in ('customer', 'bot', 'agent')
        -- A test message in a real conversation does not count.
        and messages.is_test is not distinct from conversations.is_test
),

markers as (
    select
        conversation_id,
        sequence,
        happened_at,
        happened_on,
        'message' as kind
    from spoken
    where participant_role = 'customer'
    union all
    select
        conversation_id,
        sequence,
        happened_at,
        happened_on,
        case event_type
            when 'conversation.resolved' then 'resolved'
            else 'reopened'
        end as kind
    from events
    where
        event_type in ('conversation.resolved', 'conversation.reopened')
        -- A stale event changed nothing.
        and coalesce(payload ->> '$.was_stale', 'false') <> 'true'
),

-- The server writes conversation.reopened after the message of the customer that opened it.
effective as (
    select
        conversation_id,
        sequence,
        happened_at,
        happened_on,
        kind
    from markers
    qualify
        kind <> 'reopened'
        or lag(kind) over (partition by conversation_id order by sequence) = 'resolved'
),

openings as (
    select
        conversation_id,
        sequence,
        happened_at,
        happened_on,
        kind
    from effective
    qualify
        kind <> 'resolved'
        and coalesce(lag(kind) over (partition by conversation_id order by sequence), 'resolved')
        = 'resolved'
),

opened as (
    select
        conversation_id,
        kind,
        sequence as opened_sequence,
        happened_at as opened_at,
        happened_on as opened_on,
        row_number() over (partition by conversation_id order by sequence) as episode_number,
        lead(happened_at) over (partition by conversation_id order by sequence) as next_opened_at,
        coalesce(
            lead(sequence) over (partition by conversation_id order by sequence),
            9223372036854775807
        ) as next_sequence
    from openings
),

handed_off as (
    select
        opened.conversation_id,
        opened.episode_number,
        count(*) as handoff_count,
        min(handoffs.requested_sequence) as first_sequence,
        arg_min(handoffs.requested_at, handoffs.requested_sequence) as first_handoff_at,
        arg_min(handoffs.reason, handoffs.requested_sequence) as first_handoff_reason,
        count(handoffs.accepted_at) as accepted_handoff_count
    from opened
    inner join handoffs
        on
            opened.conversation_id = handoffs.conversation_id
            and opened.opened_sequence <= handoffs.requested_sequence
            and opened.next_sequence > handoffs.requested_sequence
    group by opened.conversation_id, opened.episode_number
),

said as (
    select
        opened.conversation_id,
        opened.episode_number,
        count(*) filter (where spoken.participant_role = 'customer') as customer_message_count,
        count(*) filter (where spoken.participant_role = 'bot') as bot_message_count,
        count(*) filter (
            where spoken.participant_role = 'bot' and not spoken.is_fallback
        ) as bot_answer_count,
        count(*) filter (where spoken.participant_role = 'agent') as agent_message_count,
        max(spoken.sequence) as last_sequence,
        arg_max(spoken.happened_at, spoken.sequence) as last_message_at,
        arg_max(spoken.participant_role, spoken.sequence) as last_message_role,
        arg_min(spoken.participant_id, spoken.sequence) filter (
            where spoken.participant_role = 'bot' and spoken.participant_id is not null
        ) as bot_id,
        arg_min(spoken.bot_version, spoken.sequence)
        filter (where spoken.bot_version is not null) as bot_version,
        arg_min(spoken.participant_role, spoken.sequence)
        filter (where spoken.participant_role in ('bot', 'agent')) as first_reply_by,
        arg_min(spoken.happened_at, spoken.sequence)
        filter (where spoken.participant_role = 'bot') as first_bot_reply_at,
        arg_min(spoken.happened_at, spoken.sequence)
        filter (where spoken.participant_role = 'agent') as first_agent_reply_at,
        count(*) filter (
            where spoken.participant_role = 'customer'
            and spoken.sequence < handed_off.first_sequence
        ) as messages_before_handoff,
        arg_min(spoken.intent, spoken.sequence)
        filter (where spoken.intent is not null and not spoken.is_fallback) as first_intent,
        arg_max(
            case when spoken.is_fallback then 'fallback' else spoken.intent end, spoken.sequence
        ) filter (where spoken.intent is not null or spoken.is_fallback) as last_intent
    from opened
    inner join spoken
        on
            opened.conversation_id = spoken.conversation_id
            and opened.opened_sequence <= spoken.sequence
            and opened.next_sequence > spoken.sequence
    left join handed_off
        on
            opened.conversation_id = handed_off.conversation_id
            and opened.episode_number = handed_off.episode_number
    group by opened.conversation_id, opened.episode_number
),

endings as (
    select
        opened.conversation_id,
        opened.episode_number,
        arg_min(events.happened_at, events.sequence)
        filter (where events.event_type = 'conversation.resolved') as resolved_at,
        arg_min_null(events.payload ->> '$.resolved_by', events.sequence)
        filter (where events.event_type = 'conversation.resolved') as resolved_by,
        count(*) filter (
            where events.event_type = 'conversation.resolved'
            and (events.payload ->> '$.is_confirmed') = 'true'
        ) > 0 as is_confirmed,
        arg_min(events.happened_at, events.sequence)
        filter (where events.event_type = 'conversation.state_changed') as closed_at,
        arg_min_null(events.payload ->> '$.reason', events.sequence)
        filter (where events.event_type = 'conversation.state_changed') as close_reason,
        max(events.sequence)
        filter (where events.event_type = 'session.ended') as ended_sequence,
        arg_max(events.happened_at, events.sequence)
        filter (where events.event_type = 'session.ended') as ended_at
    from opened
    inner join events
        on
            opened.conversation_id = events.conversation_id
            and opened.opened_sequence <= events.sequence
            and opened.next_sequence > events.sequence
    where
        (
            events.event_type in ('conversation.resolved', 'session.ended')
            and coalesce(events.payload ->> '$.was_stale', 'false') <> 'true'
        )
        or (
            events.event_type = 'conversation.state_changed'
            and (events.payload ->> '$.to') = 'closed'
        )
    group by opened.conversation_id, opened.episode_number
),

rated as (
    select
        opened.conversation_id,
        opened.episode_number,
        arg_max_null(feedback.score, feedback.sequence) as feedback_score,
        arg_max(feedback.is_positive, feedback.sequence)
        filter (where feedback.is_positive is not null) as is_rated_positive
    from opened
    inner join feedback
        on
            opened.conversation_id = feedback.conversation_id
            and opened.opened_sequence <= feedback.sequence
            and opened.next_sequence > feedback.sequence
    group by opened.conversation_id, opened.episode_number
),

called as (
    select
        opened.conversation_id,
        opened.episode_number,
        count(*) as model_call_count,
        case
            when count(model_calls.total_tokens) = count(*)
                then cast(sum(model_calls.total_tokens) as bigint)
        end as model_tokens,
        case
            when
                count(case when model_calls.cost_currency = 'USD' then model_calls.cost end)
                = count(*)
                then sum(model_calls.cost)
        end as model_cost_usd
    from opened
    inner join model_calls
        on
            opened.conversation_id = model_calls.conversation_id
            and opened.opened_sequence <= model_calls.sequence
            and opened.next_sequence > model_calls.sequence
    group by opened.conversation_id, opened.episode_number
)

select
    opened.conversation_id,
    opened.episode_number,
    case
        when opened.episode_number = 1 then 'first'
        else opened.kind
    end as opened_by,
    conversations.channel,
    conversations.contact_id,
    conversations.is_test,
    opened.opened_sequence,
    opened.opened_at,
    opened.opened_on,
    opened.next_opened_at,
    coalesce(said.customer_message_count, 0) as customer_message_count,
    coalesce(said.bot_message_count, 0) as bot_message_count,
    coalesce(said.bot_answer_count, 0) as bot_answer_count,
    coalesce(said.agent_message_count, 0) as agent_message_count,
    said.last_message_at,
    said.last_message_role,
    said.bot_id,
    said.bot_version,
    said.first_reply_by,
    said.first_bot_reply_at,
    said.first_agent_reply_at,
    coalesce(handed_off.handoff_count, 0) as handoff_count,
    handed_off.first_handoff_at,
    handed_off.first_handoff_reason,
    case
        when handed_off.handoff_count > 0 then coalesce(said.messages_before_handoff, 0)
    end as messages_before_handoff,
    coalesce(handed_off.accepted_handoff_count, 0) as accepted_handoff_count,
    endings.resolved_at,
    endings.resolved_by,
    coalesce(endings.is_confirmed, false) as is_confirmed,
    endings.closed_at,
    endings.close_reason,
    case
        when endings.ended_sequence > coalesce(said.last_sequence, 0) then endings.ended_at
    end as idle_at,
    rated.feedback_score,
    rated.is_rated_positive,
    said.first_intent,
    said.last_intent,
    coalesce(called.model_call_count, 0) as model_call_count,
    called.model_tokens,
    called.model_cost_usd
from opened
inner join conversations on opened.conversation_id = conversations.conversation_id
left join said
    on
        opened.conversation_id = said.conversation_id
        and opened.episode_number = said.episode_number
left join handed_off
    on
        opened.conversation_id = handed_off.conversation_id
        and opened.episode_number = handed_off.episode_number
left join endings
    on
        opened.conversation_id = endings.conversation_id
        and opened.episode_number = endings.episode_number
left join rated
    on
        opened.conversation_id = rated.conversation_id
        and opened.episode_number = rated.episode_number
left join called
    on
        opened.conversation_id = called.conversation_id
        and opened.episode_number = called.episode_number
