-- Handed-off conversations to review: the longest waits.

select
    conversation_id,
    reason,
    wait_seconds,
    reply_seconds,
    agent_id
from handoffs
where not is_test and outcome = 'accepted'
order by wait_seconds desc nulls last
limit 10
