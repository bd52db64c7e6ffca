-- One row per act of a user of the dashboard, written before anything was shown.
-- key: event_id
-- load: view on happened_on
--
-- event_id          event_id of the act
-- happened_at       time of the act, UTC
-- happened_on       day of happened_at in the reporting zone
-- user_id           who
-- role              role of the user then: viewer, reviewer, analyst or admin
-- address           network address of the browser, or of a proxy before the dashboard
-- act               viewed, searched, exported, queried, or opened (rejected events)
-- conversation_id   conversation whose transcript was opened
-- is_unmasked       the transcript was shown with personal data
-- export            name of the file, without its ending
-- format            csv, parquet or jsonl
-- row_count         rows of the file
-- filters           words and filters of a search or a file, as JSON
-- sql               text of a query
-- rejected_id       rejected event that was opened; null for their list
-- source            API key of the dashboard

select
    event_id,
    happened_at,
    happened_on,
    participant_id as user_id,
    payload ->> '$.role' as role,
    payload ->> '$.address' as address,
    split_part(event_type, '.', 2) as act,
    payload ->> '$.conversation_id' as conversation_id,
    coalesce(payload ->> '$.is_unmasked', 'false') = 'true' as is_unmasked,
    payload ->> '$.export' as export,
    payload ->> '$.format' as format,
    cast(payload ->> '$.row_count' as bigint) as row_count,
    payload ->> '$.filters' as filters,
    payload ->> '$.sql' as sql,
    cast(payload ->> '$.rejected_id' as bigint) as rejected_id,
    source
from events
where
    conversation_id is null
    and event_type in (
        'transcript.viewed',
        'transcript.searched',
        'transcript.exported',
        'warehouse.queried',
        'rejected_event.opened'
    )
