-- One row per merge of a contact into another one, and per undoing of a merge.
-- key: shard, position
-- load: append on changed_on
--
-- shard         partition of the log
-- position      place of the event in the shard
-- contact_id    contact that was merged, or whose merge was undone
-- merged_into   contact that it was merged into; empty if the merge was undone
-- changed_at    time of the event, UTC
-- changed_on    day of changed_at in the reporting zone

select
    shard,
    position,
    contact_id,
    case when event_type = 'contact.merged' then coalesce(payload ->> '$.into', '') else '' end
        as merged_into,
    cast(happened_at at time zone 'UTC' as timestamp) as changed_at,
    cast(happened_at at time zone getvariable('reporting_zone') as date) as changed_on
from sealed_events
where rejection_reason is null and event_type in ('contact.merged', 'contact.unmerged')
