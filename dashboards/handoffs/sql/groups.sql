-- One row per reason and per queue of the handoffs requested in the period, the largest first.

with

groupings as (
    select unnest(['reason', 'queue']) as grouping
)

select
    groupings.grouping,
    case groupings.grouping when 'reason' then handoffs.reason else handoffs.queue end as name,
    count(*) as requested,
    count(accepted_at) as accepted,
    count(*) filter (where outcome = 'abandoned') as abandoned,
    count(*) filter (where is_unserved) as unserved,
    median(wait_seconds) as wait_p50,
    quantile_cont(wait_seconds, 0.9) as wait_p90,
    median(reply_seconds) as reply_p50
from handoffs
cross join groupings
where
    not handoffs.is_test
    and handoffs.requested_on between $first_on and $last_on
    and (
        cast($channels as varchar[]) is null
        or list_contains(cast($channels as varchar[]), handoffs.channel)
    )
group by groupings.grouping, name
order by groupings.grouping asc, requested desc, name asc
