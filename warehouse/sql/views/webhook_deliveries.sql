-- One row per attempt to deliver an event to a webhook.
-- key: shard, position
-- load: view on attempted_on
--
-- shard             partition of the log
-- position          place of the attempt in the shard
-- webhook_id        webhook that was called
-- event_position    place of the delivered event in its shard
-- attempt           first, second ... attempt, from 1
-- outcome           attempted (it failed, another follows), delivered or dead_lettered
-- http_status       status of the answer; null without one
-- error             why it failed, or why it was skipped
-- duration_seconds  duration of the attempt
-- attempted_at      time of the attempt, UTC
-- attempted_on      day of attempted_at in the reporting zone

select
    shard,
    position,
    payload ->> '$.webhook_id' as webhook_id,
    try_cast(payload ->> '$.position' as bigint) as event_position,
    try_cast(payload ->> '$.attempt' as bigint) as attempt,
    case event_type
        when 'webhook.delivered' then 'delivered'
        when 'webhook.dead_lettered' then 'dead_lettered'
        else 'attempted'
    end as outcome,
    try_cast(payload ->> '$.status' as integer) as http_status,
    payload ->> '$.error' as error,
    try_cast(payload ->> '$.seconds' as double) as duration_seconds,
    happened_at as attempted_at,
    happened_on as attempted_on
from events
where event_type in ('webhook.attempted', 'webhook.delivered', 'webhook.dead_lettered')
