-- One row per sealed event that no model can read: kept, and loaded once a version understands it.
-- key: shard, position
-- load: append on committed_on
--
-- shard             partition of the log
-- position          place in the shard
-- conversation_id   conversation of the event, as it says
-- sequence          place in the conversation, as it says
-- event_type        type of the event, as it says
-- source            API key or adapter that wrote it
-- reason            why it is left out
-- event             the whole event, as JSON
-- committed_at      server clock at the commit, UTC
-- committed_on      day of committed_at in the reporting zone

select
    shard,
    position,
    conversation_id,
    sequence,
    event_type,
    source,
    rejection_reason as reason,
    cast(to_json(sealed_events) as varchar) as event,
    cast(committed_at at time zone 'UTC' as timestamp) as committed_at,
    cast(committed_at at time zone getvariable('reporting_zone') as date) as committed_on
from sealed_events
where rejection_reason is not null
