-- Resolution time
-- question: How long does a demand take until it is resolved?
-- formula: first resolution − first event of the episode
-- kind: duration
-- unit: seconds
-- clock: cohort: the day on which the demand opened
-- maturity: 0 days
-- excludes: tests, episodes that are not eligible or not resolved; closing or a timeout is no
--   resolution
-- owner: analytics
-- version: 1
-- source: Zendesk

select
    opened_on as active_on,
    channel,
    bot_version,
    case
        when resolved_at >= opened_at
            then
                date_diff(
                    'second', date_trunc('second', opened_at), date_trunc('second', resolved_at)
                )
    end as value
from episode_outcomes
where is_resolved
