-- First response of the bot
-- topic: bot
-- question: How long does a customer wait for the bot's first answer?
-- formula: first message of the bot − first event of the episode, over episodes that the bot
--   answered first
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that the bot did not answer first
-- owner: analytics
-- version: 3
-- source: Convolake

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    opened_at as started_at,
    first_bot_reply_at as ended_at
from episode_outcomes
where not is_test and first_reply_by = 'bot'
