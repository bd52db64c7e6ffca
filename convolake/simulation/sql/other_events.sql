-- One row per conversation and type of an event that no simulation expects.
select
    conversation_id,
    event_type
from events
where
    conversation_id is not null
    and event_type not in (
        'conversation.created', 'participant.joined', 'control.changed',
        'session.started', 'session.ended', 'message.created',
        'message.submitted', 'message.delivered', 'message.read', 'message.failed'
    )
group by conversation_id, event_type
