-- Handle time
-- topic: human
-- question: How long does an agent have control of a conversation?
-- formula: end − start of a span of an agent's control, over spans that ended; parallel
--   conversations each count in full
-- kind: duration
-- unit: seconds
-- clock: event: the day on which the span started
-- maturity: 0 days
-- excludes: tests, spans that last
-- owner: analytics
-- version: 1
-- source: Amazon Connect, Intercom

select
    conversation_id,
    started_sequence as sequence,
    started_on as active_on,
    channel,
    active_seconds as value
from control_spans
where not is_test and owner = 'agent' and ended_at is not null
