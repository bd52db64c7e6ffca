-- The newest loads, each with whether its account is balanced; and how many there are.

select
    load_number,
    loaded_at,
    segments,
    received_events,
    stored_events,
    duplicate_events,
    rejected_events,
    quarantined_events,
    late_events,
    restated_days,
    is_rebuild,
    backfilled_models,
    received_events
    = stored_events + duplicate_events + rejected_events + quarantined_events as is_balanced,
    count(*) over () as loads
from loads
order by load_number desc
limit 50
