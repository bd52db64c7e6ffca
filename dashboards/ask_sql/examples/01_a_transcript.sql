-- A transcript.

select
    happened_at,
    participant_role,
    text
from messages
where conversation_id = (select min(conversation_id) from conversations) and visibility = 'public'
order by sequence
