-- All loads since the last rebuild in one row, and what the tables hold: the same number of events.

with

since as (
    select coalesce(max(load_number) filter (where is_rebuild), 0) as load_number
    from loads
),

held as (
    select
        (select count(*) from events) as events,
        (select count(*) from rejected_events) as rejected,
        (
            select coalesce(sum(rows), 0)
            from segments
            where status = 'loaded'
        ) as loaded
)

select
    count(*) as loads,
    coalesce(sum(loads.received_events), 0) as received_events,
    coalesce(sum(loads.stored_events), 0) as stored_events,
    coalesce(sum(loads.duplicate_events), 0) as duplicate_events,
    coalesce(sum(loads.late_events), 0) as late_events,
    max(loads.loaded_at) as last_loaded_at,
    coalesce(bool_and(
        loads.received_events
        = loads.stored_events
        + loads.duplicate_events
        + loads.rejected_events
        + loads.quarantined_events
    ), true) as is_balanced,
    max(held.events) as events,
    max(held.rejected) as rejected,
    max(held.loaded) as loaded
from loads
cross join since
cross join held
where loads.load_number >= since.load_number
