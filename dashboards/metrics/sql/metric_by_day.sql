-- One row per day of the period: the sums of the metric $metric, null on a day without cases.

with

counted as (
    select
        active_on,
        -- As doubles: a division of whole numbers by Polars would be whole.
        cast(sum(numerator) as double) as numerator,
        cast(sum(denominator) as double) as denominator,
        cast(sum(value_sum) as double) as value_sum,
        sum(value_count) as value_count
    from metric_daily
    where
        metric = $metric
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
    group by active_on
)

select
    dates.day as active_on,
    counted.numerator,
    counted.denominator,
    counted.value_sum,
    counted.value_count
from dates
left join counted on dates.day = counted.active_on
where dates.day between $first_on and $last_on
order by dates.day
