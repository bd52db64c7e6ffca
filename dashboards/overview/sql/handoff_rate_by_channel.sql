-- One row per channel with final demands in the period: the metric handoff_rate.

select
    channel,
    cast(sum(denominator) as bigint) as episodes,
    cast(sum(numerator) as bigint) as handed_off,
    sum(numerator) / sum(denominator) as handoff_rate
from metric_daily
where
    metric = 'handoff_rate'
    and active_on between $first_on and $last_on
    and (
        cast($channels as varchar[]) is null
        or list_contains(cast($channels as varchar[]), channel)
    )
    and (
        cast($bot_id as varchar) is null
        or bot_id = cast($bot_id as varchar)
    )
    and (
        cast($bot_version as varchar) is null
        or bot_version = cast($bot_version as varchar)
    )
group by channel
having sum(denominator) > 0
order by channel
