-- One row per turn.
select
    conversation_id,
    turn_number,
    started_at,
    customer_message_count,
    reply_seconds
from turns
