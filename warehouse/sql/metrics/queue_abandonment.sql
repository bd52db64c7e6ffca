-- Queue abandonment
-- topic: handoff
-- question: In which share of handoffs does the customer leave before an agent accepts?
-- formula: handoffs that ended because the customer left, without an acceptance ÷ handoffs
-- kind: ratio
-- unit: share
-- clock: event: the day on which the handoff was requested
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 2
-- source: Amazon Connect, Google CCAI

select
    conversation_id,
    requested_sequence as sequence,
    requested_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when outcome = 'abandoned' then 1 else 0 end as numerator,
    1 as denominator
from handoffs
where not is_test
