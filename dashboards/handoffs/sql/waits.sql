-- Handoffs by the seconds that they waited, from the request to the acceptance and to the first
-- reply.

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
    seconds,
    count(*) as handoffs
from steps
where seconds is not null
group by clock, seconds
order by clock, seconds
