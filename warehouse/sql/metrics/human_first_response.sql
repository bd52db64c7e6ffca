-- First response of a human
-- question: How long does a customer wait for a human's first answer?
-- formula: first public message of an agent − the first request of a human, or else the first
--   event of the episode; the bot's messages and notes do not stop the clock
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not handed off; those without an answer are missing and
--   counted
-- owner: analytics
-- version: 1
-- source: Chatwoot 12058 and 8477, Plain, Intercom

select
    opened_on as active_on,
    channel,
    bot_version,
    case
        when first_agent_reply_at >= coalesce(first_handoff_at, opened_at)
            then
                date_diff(
                    'second',
                    date_trunc('second', coalesce(first_handoff_at, opened_at)),
                    date_trunc('second', first_agent_reply_at)
                )
    end as value
from episode_outcomes
where not is_test and is_handed_off
