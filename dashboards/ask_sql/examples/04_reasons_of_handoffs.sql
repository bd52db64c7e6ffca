-- Why demands go to a human, and how long they wait.

select
    reason,
    count(*) as handoffs,
    quantile_cont(wait_seconds, 0.5) as median_wait_seconds,
    count(*) filter (where is_unserved) as unserved
from handoffs
where not is_test
group by reason
order by handoffs desc
