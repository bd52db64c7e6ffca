-- The episodes of $conversation_id that open from sequence $first to $last.

select
    opened_sequence as sequence,
    episode_number,
    opened_by
from episodes
where
    conversation_id = $conversation_id
    and opened_on between $first_on and $last_on
    and opened_sequence between $first and $last
order by opened_sequence
