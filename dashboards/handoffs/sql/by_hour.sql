-- One row per day of the week (1 Monday) and hour in the reporting zone: handoffs requested.

select
    isodow(
        handoffs.requested_at at time zone 'UTC' at time zone reporting.reporting_zone
    ) as weekday,
    hour(
        handoffs.requested_at at time zone 'UTC' at time zone reporting.reporting_zone
    ) as hour,
    count(*) as requested
from handoffs
cross join reporting
where
    not handoffs.is_test
    and handoffs.requested_on between $first_on and $last_on
    and (
        cast($channels as varchar[]) is null
        or list_contains(cast($channels as varchar[]), handoffs.channel)
    )
group by weekday, hour
order by weekday, hour
