-- One row per webhook: its attempts of the last days on record, by outcome.

select
    webhook_id,
    count(*) filter (where outcome = 'delivered') as delivered,
    count(*) filter (where outcome = 'attempted') as failed_attempts,
    count(*) filter (where outcome = 'dead_lettered') as dead_letters,
    median(duration_seconds) as duration_p50,
    max(attempted_at) as last_attempt_at,
    last(error order by attempted_at asc, shard asc, position asc) filter (
        where error is not null
    ) as last_error
from webhook_deliveries
where attempted_on >= $first_on
group by webhook_id
order by dead_letters desc, failed_attempts desc, webhook_id asc
