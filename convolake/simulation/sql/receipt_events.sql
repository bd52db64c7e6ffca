-- One row per message and kind of receipt: how many events of it the log has.
select
    message_id,
    event_type,
    count(*) as event_count
from events
where
    event_type in ('message.submitted', 'message.delivered', 'message.read', 'message.failed')
    and conversation_id in (
        select conversations.conversation_id
        from conversations
        where conversations.channel_account = $account_id
    )
group by message_id, event_type
