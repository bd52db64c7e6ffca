-- Time to handoff
-- question: How long does the bot try before a human is requested?
-- formula: first request of a human − first event of the episode
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes without a handoff; a duration that the clocks contradict is
--   missing
-- owner: analytics
-- version: 1
-- source: Convolake

select
    opened_on as active_on,
    channel,
    bot_version,
    case
        when first_handoff_at >= opened_at
            then
                date_diff(
                    'second',
                    date_trunc('second', opened_at),
                    date_trunc('second', first_handoff_at)
                )
    end as value
from episode_outcomes
where not is_test and first_handoff_at is not null
