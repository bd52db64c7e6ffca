-- One row per shard: up to which position the log is loaded.
select
    shard,
    max(last_position) as last_position
from segments
where status = 'loaded'
group by shard
