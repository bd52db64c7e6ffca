-- Unserved handoffs
-- topic: handoff
-- question: Which share of handoffs ends without a word of a human?
-- formula: handoffs that ended without a public message of an agent, and not because the
--   customer left or a newer request replaced it ÷ handoffs
-- kind: ratio
-- unit: share
-- clock: event: the day on which the handoff was requested
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 2
-- source: Chatwoot 14032

select
    conversation_id,
    requested_sequence as sequence,
    requested_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_unserved then 1 else 0 end as numerator,
    1 as denominator
from handoffs
where not is_test
