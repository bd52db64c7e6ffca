-- Resolution time of humans
-- question: How long does a handed-off demand take from the handoff on?
-- formula: first resolution − first request of a human; the bot's time is left out
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not resolved or not handed off
-- owner: analytics
-- version: 1
-- source: Chatwoot 7679

select
    opened_on as active_on,
    channel,
    bot_version,
    case
        when resolved_at >= first_handoff_at
            then
                date_diff(
                    'second',
                    date_trunc('second', first_handoff_at),
                    date_trunc('second', resolved_at)
                )
    end as value
from episode_outcomes
where is_resolved and first_handoff_at is not null
