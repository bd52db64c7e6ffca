-- Sealed events that no model can read, newest first; and how many there are.

select
    committed_at,
    source,
    event_type,
    conversation_id,
    reason,
    event,
    count(*) over () as unreadable
from rejected_events
order by committed_at desc, shard asc, position desc
limit 50
