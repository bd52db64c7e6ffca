-- First and last day of the conversations in the period: a search reads the messages of these days.

select
    min(first_on) as earliest_on,
    max(last_on) as latest_on
from conversations
where
    case
        when cast($is_active as boolean) then first_on <= $last_on and last_on >= $first_on
        else started_on between $first_on and $last_on
    end
