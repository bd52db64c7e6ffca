-- One row: the first event of $conversation_id at or after the time $moment in the reporting zone;
-- null after its last event. Times may go back where clocks differ; the first in order counts.

select min(events.sequence) as sequence
from events
cross join reporting
where
    events.conversation_id = $conversation_id
    and events.happened_on between $first_on and $last_on
    and events.happened_at at time zone 'UTC' at time zone reporting.reporting_zone
    >= cast($moment as timestamp)
