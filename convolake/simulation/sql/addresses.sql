-- One row per address of a contact that the account made known.
select
    contacts.person_id as contact_id,
    events.payload
from events
inner join contacts on events.contact_id = contacts.contact_id
where
    events.event_type = 'contact.linked'
    and events.conversation_id is null
    and events.channel_account = $account_id
