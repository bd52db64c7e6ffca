-- Days of the conversations in the period. Their handoffs, ratings and messages are from the
-- earliest to the latest day. The usual days hold nearly all of their messages; a search reads
-- those outside of them for the few long conversations only.

select
    min(first_on) as earliest_on,
    quantile_disc(first_on, 0.01) as usual_first_on,
    quantile_disc(last_on, 0.99) as usual_last_on,
    max(last_on) as latest_on
from conversations
where
    case
        when cast($is_active as boolean) then first_on <= $last_on and last_on >= $first_on
        else started_on between $first_on and $last_on
    end
