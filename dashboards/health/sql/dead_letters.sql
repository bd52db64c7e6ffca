-- The newest dead letters, with the event that was not delivered; and how many there are.

select
    letters.webhook_id,
    letters.attempted_at,
    letters.event_position,
    events.event_type,
    events.conversation_id,
    letters.attempt as attempts,
    letters.http_status,
    letters.error,
    count(*) over () as letters
from webhook_deliveries as letters
left join events on letters.shard = events.shard and letters.event_position = events.position
where letters.outcome = 'dead_lettered' and letters.attempted_on >= $first_on
order by letters.attempted_at desc, letters.shard asc, letters.position desc
limit 50
