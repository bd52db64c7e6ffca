-- One row per published version of a scorecard. A version never changes.
-- key: scorecard, scorecard_version
-- load: view on published_on
--
-- scorecard           name of the scorecard
-- scorecard_version   its version
-- published_by        who published it
-- categories          categories with weight, scale, criticality and causes, as JSON
-- published_at        time of the publication, UTC
-- published_on        day of published_at in the reporting zone

select
    payload ->> '$.name' as scorecard,
    cast(payload ->> '$.version' as bigint) as scorecard_version,
    participant_id as published_by,
    payload ->> '$.categories' as categories,
    happened_at as published_at,
    happened_on as published_on
from events
where conversation_id is null and event_type = 'scorecard.published'
