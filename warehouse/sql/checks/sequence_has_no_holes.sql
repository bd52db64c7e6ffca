-- Conversations whose sequences are not 1, 2, 3 ... n, but for rejected events: must be none.

select
    conversation_id,
    count(*) as events,
    min(sequence) as first_sequence,
    max(sequence) as last_sequence
from events
where
    conversation_id is not null
    -- The hole of a rejected event is known; one without its conversation may be anywhere.
    and not exists (
        select 1
        from rejected_events
        where
            rejected_events.conversation_id = events.conversation_id
            or (rejected_events.conversation_id is null and rejected_events.sequence is not null)
    )
group by conversation_id
having min(sequence) <> 1 or max(sequence) <> count(*) or count(distinct sequence) <> count(*)
