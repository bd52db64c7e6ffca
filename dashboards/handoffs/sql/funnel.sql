-- One row: the handoffs requested in the period, by how far they came and how they ended.

select
    count(*) as requested,
    count(*) filter (where outcome = 'accepted') as accepted,
    count(first_reply_at) as replied,
    count(*) filter (where end_cause in ('resolved', 'closed', 'conversation_closed')) as finished,
    count(*) filter (where end_cause = 'returned') as returned,
    count(*) filter (where outcome = 'abandoned') as abandoned,
    count(*) filter (where outcome = 'expired') as expired,
    count(*) filter (where outcome = 'cancelled') as cancelled,
    count(*) filter (where is_unserved) as unserved,
    count(*) filter (where end_cause is null) as open_now
from handoffs
where
    not handoffs.is_test
    and handoffs.requested_on between $first_on and $last_on
    and (
        cast($channels as varchar[]) is null
        or list_contains(cast($channels as varchar[]), handoffs.channel)
    )
