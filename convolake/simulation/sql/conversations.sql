-- One row per conversation.
select
    conversation_id,
    message_count,
    session_count
from conversations
