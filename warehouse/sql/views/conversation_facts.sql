-- One wide row per conversation, for export: conversation, episodes, handoffs, ratings and cost.
-- key: conversation_id
-- load: view on started_on
--
-- conversation_id           id of the conversation
-- channel                   channel of its creation
-- channel_account           the organisation's number, page or inbox
-- contact_id                the customer's contact, or the one that it is merged into
-- conversation_key          the client's own key
-- subject                   last subject that was set
-- is_test                   stored, but excluded from every metric
-- state                     active, inactive, resolved or closed
-- created_at                first event, UTC
-- started_on                day of created_at in the reporting zone
-- latest_at                 latest activity, UTC
-- bot_id                    bot that answered first
-- bot_version               version of the bot that answered first
-- message_count             public messages
-- customer_message_count    of those, from customers
-- bot_message_count         of those, from bots
-- agent_message_count       of those, from agents
-- turn_count                turns
-- fallback_turn_count       turns that the bot did not understand
-- session_count             sessions
-- episode_count             demands of the customer
-- contained_episode_count   demands that the bot finished alone
-- bot_resolved_count        demands that the bot resolved
-- resolved_episode_count    demands that were resolved, by anyone
-- handoff_count             handoffs requested
-- accepted_handoff_count    of those, accepted by an agent
-- unserved_handoff_count    of those, ended without a word of an agent
-- first_handoff_at          first request of a human, UTC
-- first_handoff_reason      its reason
-- first_wait_seconds        wait of the first handoff that was accepted
-- agent_seconds             time under an agent's control, in spans that ended
-- first_bot_reply_at        first message of the bot to the customer, UTC
-- first_agent_reply_at      first public message of an agent, UTC
-- resolved_at               last resolution, UTC; null if the conversation was reopened after it
-- resolved_by               role that resolved it
-- feedback_score            score of the last rating
-- model_call_count          calls of language models that the bot reported
-- total_tokens              their tokens; null if none was reported
-- cost_usd                  their cost in US dollars; null if none was reported
-- costed_call_count         calls with a cost in US dollars

with

turned as (
    select
        conversation_id,
        count(*) filter (where is_fallback) as fallback_turn_count
    from turns
    group by conversation_id
),

demanded as (
    select
        conversation_id,
        count(*) as episode_count,
        count(*) filter (where is_contained) as contained_episode_count,
        count(*) filter (where is_bot_resolved) as bot_resolved_count,
        count(*) filter (where is_resolved) as resolved_episode_count,
        min(first_bot_reply_at) as first_bot_reply_at,
        min(first_agent_reply_at) as first_agent_reply_at
    from episode_outcomes
    group by conversation_id
),

handed as (
    select
        conversation_id,
        count(*) filter (where outcome = 'accepted') as accepted_handoff_count,
        count(*) filter (where is_unserved) as unserved_handoff_count,
        arg_min(requested_at, requested_sequence) as first_handoff_at,
        arg_min(reason, requested_sequence) as first_handoff_reason,
        arg_min(wait_seconds, requested_sequence)
        filter (where wait_seconds is not null) as first_wait_seconds
    from handoffs
    group by conversation_id
),

controlled as (
    select
        conversation_id,
        cast(sum(active_seconds) as bigint) as agent_seconds
    from control_spans
    where owner = 'agent'
    group by conversation_id
),

called as (
    select
        conversation_id,
        count(*) as model_call_count,
        cast(sum(total_tokens) as bigint) as total_tokens,
        sum(cost) filter (where cost_currency = 'USD') as cost_usd,
        count(cost) filter (where cost_currency = 'USD') as costed_call_count
    from model_calls
    group by conversation_id
)

select
    conversations.conversation_id,
    conversations.channel,
    conversations.channel_account,
    coalesce(merged_contacts.person_id, conversations.contact_id) as contact_id,
    conversations.conversation_key,
    conversations.subject,
    conversations.is_test,
    conversations.state,
    conversations.created_at,
    conversations.started_on,
    conversations.latest_at,
    conversations.bot_id,
    conversations.bot_version,
    conversations.message_count,
    conversations.customer_message_count,
    conversations.bot_message_count,
    conversations.agent_message_count,
    conversations.turn_count,
    coalesce(turned.fallback_turn_count, 0) as fallback_turn_count,
    conversations.session_count,
    coalesce(demanded.episode_count, 0) as episode_count,
    coalesce(demanded.contained_episode_count, 0) as contained_episode_count,
    coalesce(demanded.bot_resolved_count, 0) as bot_resolved_count,
    coalesce(demanded.resolved_episode_count, 0) as resolved_episode_count,
    conversations.handoff_count,
    coalesce(handed.accepted_handoff_count, 0) as accepted_handoff_count,
    coalesce(handed.unserved_handoff_count, 0) as unserved_handoff_count,
    handed.first_handoff_at,
    handed.first_handoff_reason,
    handed.first_wait_seconds,
    controlled.agent_seconds,
    demanded.first_bot_reply_at,
    demanded.first_agent_reply_at,
    conversations.resolved_at,
    conversations.resolved_by,
    conversations.feedback_score,
    coalesce(called.model_call_count, 0) as model_call_count,
    called.total_tokens,
    called.cost_usd,
    coalesce(called.costed_call_count, 0) as costed_call_count
from conversations
left join merged_contacts on conversations.contact_id = merged_contacts.contact_id
left join turned on conversations.conversation_id = turned.conversation_id
left join demanded on conversations.conversation_id = demanded.conversation_id
left join handed on conversations.conversation_id = handed.conversation_id
left join controlled on conversations.conversation_id = controlled.conversation_id
left join called on conversations.conversation_id = called.conversation_id
