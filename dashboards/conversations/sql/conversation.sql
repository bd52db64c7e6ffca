-- The conversation $conversation_id, if there is one; times in the reporting zone.

select
    conversations.conversation_id,
    conversations.channel,
    conversations.channel_account,
    coalesce(merged_contacts.person_id, conversations.contact_id) as contact_id,
    conversations.is_test,
    conversations.created_at at time zone 'UTC'
    at time zone reporting.reporting_zone as started_at,
    conversations.latest_at at time zone 'UTC'
    at time zone reporting.reporting_zone as latest_at,
    conversations.state,
    conversations.resolved_by,
    conversations.message_count,
    conversations.customer_message_count,
    conversations.bot_message_count,
    conversations.agent_message_count,
    conversations.session_count,
    conversations.handoff_count,
    conversations.bot_version,
    conversations.feedback_score,
    conversations.event_count,
    conversations.first_on,
    conversations.last_on,
    reporting.reporting_zone
from conversations
cross join reporting
left join merged_contacts on conversations.contact_id = merged_contacts.contact_id
where conversations.conversation_id = $conversation_id
