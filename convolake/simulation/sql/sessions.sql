-- One row per session.
select
    conversation_id,
    session_number,
    started_at,
    ended_at,
    end_reason,
    message_count
from sessions
where
    conversation_id in (
        select conversations.conversation_id
        from conversations
        where conversations.channel_account = $account_id
    )
