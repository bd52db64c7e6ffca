-- Conversations whose sequences are not 1, 2, 3 ... n: must be none.

select
    conversation_id,
    count(*) as events,
    min(sequence) as first_sequence,
    max(sequence) as last_sequence
from events
where conversation_id is not null
group by conversation_id
having min(sequence) <> 1 or max(sequence) <> count(*) or count(distinct sequence) <> count(*)
