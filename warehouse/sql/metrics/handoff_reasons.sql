-- Handoffs by reason
-- topic: handoff
-- question: Why do demands go to a human?
-- formula: requested handoffs of each reason; `unknown` is shown
-- kind: count
-- unit: handoffs
-- clock: event: the day on which the handoff was requested
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Chatwoot 15233

select
    conversation_id,
    requested_sequence as sequence,
    requested_on as active_on,
    channel,
    bot_id,
    bot_version,
    reason as breakdown,
    1 as value
from handoffs
where not is_test
