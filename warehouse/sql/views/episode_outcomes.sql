-- One row per episode, classified: the definitions that the metrics share.
-- key: conversation_id, episode_number
-- load: view on opened_on
--
-- conversation_id          conversation of the episode
-- episode_number           first, second ... episode of the conversation, from 1
-- channel                  channel of the conversation
-- contact_id               the customer's contact, or the one that it is merged into
-- is_test                  stored, but excluded from every metric
-- bot_id                   bot that answered first
-- bot_version              version of the bot that answered first
-- opened_sequence          place of the event that opened it
-- opened_at                when the demand opened, UTC
-- opened_on                day of opened_at in the reporting zone
-- next_opened_at           when the next episode of the conversation opened, UTC; null for the last
-- resolved_at              first resolution, UTC; null if it was not resolved
-- first_handoff_at         first request of a human, UTC
-- first_handoff_reason     its reason
-- messages_before_handoff  customer messages before it
-- first_reply_by           bot or agent: who answered first in the log; null without an answer
-- first_bot_reply_at       first message of the bot, UTC
-- first_agent_reply_at     first public message of an agent, UTC
-- first_intent             first intent that the bot understood; null without one
-- last_intent              last intent that the bot reported; 'fallback' if it understood nothing
-- is_rated_positive        the last rating is positive; null without one that can be read
-- model_call_count         calls of language models that the bot reported
-- model_tokens             their tokens; null without a call, and if one does not report them
-- model_cost_usd           their cost in US dollars; null without a call, and if one has no price
-- is_final                 resolved, closed, or its session ended after the last message
-- is_eligible              final, no test, and the bot wrote or a human was requested
-- is_handed_off            a human was requested, or an agent wrote
-- is_contained             eligible, and not handed off
-- contained_outcome        confirmed, assumed (resolved), silent (the bot wrote last) or unanswered
-- is_served_by_human       an agent accepted a handoff, or wrote
-- is_resolved              eligible and resolved: closing or a timeout is no resolution
-- is_bot_resolved          resolved by the bot, contained, with an answer that is no fallback
-- is_abandoned             contained and silent: the customer left while the bot waited

with

judged as (
    select
        conversation_id,
        episode_number,
        channel,
        contact_id,
        is_test,
        bot_id,
        bot_version,
        opened_sequence,
        opened_at,
        opened_on,
        next_opened_at,
        resolved_at,
        resolved_by,
        is_confirmed,
        first_handoff_at,
        first_handoff_reason,
        messages_before_handoff,
        first_reply_by,
        first_bot_reply_at,
        first_agent_reply_at,
        first_intent,
        last_intent,
        is_rated_positive,
        model_call_count,
        model_tokens,
        model_cost_usd,
        last_message_role,
        bot_answer_count,
        resolved_at is not null or closed_at is not null or idle_at is not null as is_final,
        not is_test
        and customer_message_count > 0
        and (bot_message_count > 0 or handoff_count > 0)
        and (resolved_at is not null or closed_at is not null or idle_at is not null)
            as is_eligible,
        handoff_count > 0 or agent_message_count > 0 as is_handed_off,
        accepted_handoff_count > 0 or agent_message_count > 0 as is_served_by_human
    from episodes
)

select
    conversation_id,
    episode_number,
    channel,
    coalesce(merged_contacts.person_id, judged.contact_id) as contact_id,
    is_test,
    bot_id,
    bot_version,
    opened_sequence,
    opened_at,
    opened_on,
    next_opened_at,
    resolved_at,
    first_handoff_at,
    first_handoff_reason,
    messages_before_handoff,
    first_reply_by,
    first_bot_reply_at,
    first_agent_reply_at,
    first_intent,
    last_intent,
    is_rated_positive,
    model_call_count,
    model_tokens,
    model_cost_usd,
    is_final,
    is_eligible,
    is_handed_off,
    is_eligible and not is_handed_off as is_contained,
    case
        when not is_eligible or is_handed_off then null
        when resolved_at is not null and is_confirmed then 'confirmed'
        when resolved_at is not null then 'assumed'
        when last_message_role = 'bot' then 'silent'
        else 'unanswered'
    end as contained_outcome,
    is_served_by_human,
    is_eligible and resolved_at is not null as is_resolved,
    is_eligible
    and not is_handed_off
    and coalesce(resolved_by = 'bot', false)
    and bot_answer_count > 0 as is_bot_resolved,
    is_eligible
    and not is_handed_off
    and resolved_at is null
    and coalesce(last_message_role = 'bot', false) as is_abandoned
from judged
left join merged_contacts on judged.contact_id = merged_contacts.contact_id
