-- The other conversations of the person $contact_id, the newest first, at most $most; `matches` is
-- how many there are.

select
    conversations.conversation_id,
    conversations.created_at at time zone 'UTC'
    at time zone reporting.reporting_zone as started_at,
    conversations.channel,
    conversations.state,
    conversations.message_count,
    conversations.handoff_count,
    count(*) over () as matches
from conversations
cross join reporting
left join merged_contacts on conversations.contact_id = merged_contacts.contact_id
where
    coalesce(merged_contacts.person_id, conversations.contact_id) = $contact_id
    and conversations.conversation_id <> $conversation_id
order by conversations.created_at desc, conversations.conversation_id asc
limit $most
