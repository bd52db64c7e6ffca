-- The same from the sums by day.

select
    channel,
    round(sum(numerator) / sum(denominator), 3) as containment
from metric_daily
where metric = 'containment'
group by channel
order by channel
