-- Messages of a bot without control
-- topic: bot
-- question: Which share of the bot's messages was sent while a human had control?
-- formula: messages of the bot that were recorded as facts after it had lost control ÷
--   messages of the bot
-- kind: ratio
-- unit: share
-- clock: event: the day of the message
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Convolake

select
    conversation_id,
    sequence,
    happened_on as active_on,
    channel,
    participant_id as bot_id,
    bot_version,
    case when was_stale then 1 else 0 end as numerator,
    1 as denominator
from messages
where not is_test and participant_role = 'bot' and visibility = 'public'
