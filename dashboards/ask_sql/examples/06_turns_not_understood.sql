-- The turns that the bot did not understand, by intent before.

select
    lag(intent) over (partition by conversation_id order by turn_number) as intent_before,
    count(*) over (partition by intent) as as_frequent,
    conversation_id,
    turn_number
from turns
where not is_test and has_nlu
qualify is_fallback
order by conversation_id, turn_number
limit 20
