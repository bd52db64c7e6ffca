-- One row per conversation and type of an event that no simulation expects.
select
    conversation_id,
    event_type
from events
where
    event_type not in (
        'conversation.created', 'participant.joined', 'control.changed',
        'session.started', 'session.ended', 'message.created',
        'message.submitted', 'message.delivered', 'message.read', 'message.failed'
    )
    and conversation_id in (
        select conversations.conversation_id
        from conversations
        where conversations.channel_account = $account_id
    )
group by conversation_id, event_type
