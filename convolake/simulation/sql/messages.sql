-- One row per message, in the order of the log, with its sender and how far its delivery came.
select
    messages.conversation_id,
    messages.sequence,
    messages.message_id,
    messages.payload ->> '$.provider_id' as provider_id,
    messages.text,
    messages.participant_role,
    messages.channel,
    messages.happened_at,
    sessions.session_number,
    created.contact_id,
    receipts.status,
    receipts.submitted_at,
    receipts.delivered_at,
    receipts.read_at,
    receipts.failed_at,
    receipts.error_code
from messages
left join sessions on messages.session_id = sessions.session_id
left join events as created
    on
        messages.conversation_id = created.conversation_id
        and messages.sequence = created.sequence
left join receipts
    on
        messages.conversation_id = receipts.conversation_id
        and messages.message_id = receipts.message_id
where
    messages.conversation_id in (
        select conversations.conversation_id
        from conversations
        where conversations.channel_account = $account_id
    )
order by messages.conversation_id, messages.sequence
