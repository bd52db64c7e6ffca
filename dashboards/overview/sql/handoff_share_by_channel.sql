-- One row per channel on which conversations began in the period: the share handed off.

select
    channel,
    cast(sum(conversations_started) as bigint) as conversations,
    cast(sum(conversations_handed_off) as bigint) as handed_off,
    sum(conversations_handed_off) / sum(conversations_started) as handoff_share
from daily_activity
where
    active_on between $first_on and $last_on
    and (
        cast($channels as varchar[]) is null
        or list_contains(cast($channels as varchar[]), channel)
    )
group by channel
having sum(conversations_started) > 0
order by channel
