-- One row per resolution of a conversation; a later event does not change it.
-- key: conversation_id, sequence
-- load: by conversation_id on resolved_on
--
-- conversation_id   conversation that was resolved
-- sequence          place of conversation.resolved in the conversation
-- channel           channel of the conversation
-- is_test           stored, but excluded from every metric
-- resolved_at       time of the resolution, UTC
-- resolved_on       day of resolved_at in the reporting zone
-- resolved_by       bot, agent or customer; null if the event does not say
-- is_confirmed      the customer confirmed it

select
    conversation_id,
    sequence,
    channel,
    is_test,
    happened_at as resolved_at,
    happened_on as resolved_on,
    payload ->> '$.resolved_by' as resolved_by,
    coalesce(try_cast(payload ->> '$.is_confirmed' as boolean), false) as is_confirmed
from events
where
    event_type = 'conversation.resolved'
    -- A stale resolution changed nothing.
    and coalesce(payload ->> '$.was_stale', 'false') <> 'true'
