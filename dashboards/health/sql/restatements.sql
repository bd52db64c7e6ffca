-- The newest changes of past days: the metric, the day, the load; and how many changes there are.

select
    load_number,
    active_on,
    metric,
    numerator_change,
    denominator_change,
    value_sum_change,
    value_count_change,
    count(*) over () as changes
from restatements
order by load_number desc, active_on desc, metric asc, metric_version asc
limit 100
