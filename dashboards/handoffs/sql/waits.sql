-- One row per step of the wait, from the request to the acceptance and to the first reply.

with

chosen as (
    select
        wait_seconds,
        reply_seconds
    from handoffs
    where
        not handoffs.is_test
        and handoffs.requested_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), handoffs.channel)
        )
),

steps as (
    select
        'to acceptance' as clock,
        wait_seconds as seconds
    from chosen
    union all
    select
        'to first reply' as clock,
        reply_seconds as seconds
    from chosen
)

select
    clock,
    case
        when seconds < 30 then 1
        when seconds < 60 then 2
        when seconds < 120 then 3
        when seconds < 300 then 4
        when seconds < 900 then 5
        when seconds < 3600 then 6
        else 7
    end as step,
    count(*) as handoffs
from steps
where seconds is not null
group by clock, step
order by clock, step
