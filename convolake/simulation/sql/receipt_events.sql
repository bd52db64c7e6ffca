-- One row per message and kind of receipt: how many events of it the log has.
select
    message_id,
    event_type,
    count(*) as event_count
from events
where event_type in ('message.submitted', 'message.delivered', 'message.read', 'message.failed')
group by message_id, event_type
