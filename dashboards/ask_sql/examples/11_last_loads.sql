-- What the last loads brought.

select
    load_number,
    loaded_at,
    received_events,
    stored_events,
    rejected_events,
    late_events,
    restated_days
from loads
order by load_number desc
limit 10
