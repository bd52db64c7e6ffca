-- The events of the waiting segments, with the reason why no model can read one; else null.

select
    *,
    case
        when event_id is null or event_type is null then 'event_id or event_type is missing'
        when schema_version > 1 then 'schema_version is newer than this version'
        when payload is not null and not json_valid(payload) then 'payload is not JSON'
        when
            payload is not null and json_type(payload) <> 'OBJECT' then 'payload is not an object'
        when (conversation_id is null) <> (sequence is null)
            then 'conversation_id or sequence is missing'
        when sequence < 1 then 'sequence is below 1'
        when happened_at is null or received_at is null or committed_at is null
            then 'a clock is missing'
        when happened_at < timestamptz '1970-01-01 00:00:00+00' then 'happened_at is before 1970'
        when happened_at > received_at then 'happened_at is after received_at'
        when received_at > committed_at + interval 1 day then 'received_at is after committed_at'
    end as rejection_reason
from sealed_files
