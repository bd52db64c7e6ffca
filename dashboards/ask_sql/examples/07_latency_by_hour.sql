-- Latency of the bot by hour of the day.

select
    hour(started_at) as hour_utc,
    count(*) as turns,
    quantile_cont(reply_seconds, [0.5, 0.95]) as p50_and_p95_seconds
from turns
where not is_test and owner in ('bot', 'none') and replied_by = 'bot'
group by all
order by hour_utc
