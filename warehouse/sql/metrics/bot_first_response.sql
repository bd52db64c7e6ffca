-- First response of the bot
-- question: How long does a customer wait for the bot's first answer?
-- formula: first message of the bot − first event of the episode
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes without a message of the bot
-- owner: analytics
-- version: 1
-- source: Convolake

select
    opened_on as active_on,
    channel,
    bot_version,
    case
        when first_bot_reply_at >= opened_at
            then
                date_diff(
                    'second',
                    date_trunc('second', opened_at),
                    date_trunc('second', first_bot_reply_at)
                )
    end as value
from episode_outcomes
where not is_test and first_bot_reply_at is not null
