-- One row per turn.
select
    conversation_id,
    turn_number,
    started_at,
    customer_message_count,
    reply_seconds
from turns
where
    conversation_id in (
        select conversations.conversation_id
        from conversations
        where conversations.channel_account = $account_id
    )
