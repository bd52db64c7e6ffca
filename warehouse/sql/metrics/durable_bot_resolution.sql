-- Durable bot resolution
-- topic: resolution
-- question: Which share of the bot's resolutions lasts a week?
-- formula: episodes resolved by the bot whose conversation opened no episode within 7 days of
--   the resolution ÷ episodes resolved by the bot
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 8 days
-- excludes: tests, episodes that the bot did not resolve, and days younger than 8 days
-- owner: analytics
-- version: 1
-- source: Chatwoot 15425

select
    conversation_id,
    opened_sequence as sequence,
    opened_on as active_on,
    channel,
    bot_id,
    bot_version,
    case
        when next_opened_at is null or next_opened_at > resolved_at + interval 7 day then 1
        else 0
    end as numerator,
    1 as denominator
from episode_outcomes
where is_bot_resolved
