-- Messages and tool calls of each conversation, in order; deleted messages and tests are left out.
--
-- $conversation_ids: only these; all if the list is empty.

select
    events.conversation_id,
    events.event_type,
    events.sequence,
    events.participant_id,
    events.participant_role,
    messages.text,
    coalesce(messages.visibility, 'internal') as visibility,
    events.payload,
    events.happened_at
from events
left join messages
    on
        events.conversation_id = messages.conversation_id
        and events.message_id = messages.message_id
        and events.event_type = 'message.created'
where
    not events.is_test
    and (
        (events.event_type = 'message.created' and messages.text is not null)
        or events.event_type in ('bot.tool_called', 'custom.tool_returned')
    )
    and (
        len($conversation_ids) = 0
        or list_contains($conversation_ids, events.conversation_id)
    )
order by events.conversation_id, events.sequence
