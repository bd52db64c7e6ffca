-- One row per day of the period with cases of the metric $metric: a ratio, a mean or a sum.

select
    active_on,
    sum(numerator) as numerator,
    sum(denominator) as denominator,
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
group by active_on
order by active_on
