-- One row per handoff of $conversation_id that an agent accepted: when, in the zone
-- $reporting_zone, and after which wait.

select
    handoff_id,
    accepted_at at time zone 'UTC' at time zone $reporting_zone as happened_at,
    wait_seconds
from handoffs
where
    conversation_id = $conversation_id
    and requested_on between $first_on and $last_on
    and accepted_at is not null
