-- Pickup wait
-- topic: handoff
-- question: How long does a customer wait until an agent accepts?
-- formula: first acceptance − request, over accepted handoffs
-- kind: duration
-- unit: seconds
-- clock: event: the day on which the handoff was requested
-- maturity: 0 days
-- excludes: tests, handoffs that no agent accepted; a wait that the clocks contradict is
--   missing
-- twin: business hours
-- owner: analytics
-- version: 1
-- source: Amazon Connect

select
    conversation_id,
    requested_sequence as sequence,
    requested_on as active_on,
    channel,
    bot_id,
    bot_version,
    requested_at as started_at,
    accepted_at as ended_at
from handoffs
where not is_test and accepted_at is not null
