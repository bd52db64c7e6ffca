-- People who came again within a day, on another channel.

select
    first.contact_id,
    first.channel,
    again.channel as again_on,
    again.opened_at - first.opened_at as after
from episode_outcomes as first
inner join episode_outcomes as again
    on
        first.contact_id = again.contact_id and first.opened_at < again.opened_at
        and again.opened_at <= first.opened_at + interval 1 day and first.channel <> again.channel
where not first.is_test
order by after
limit 10
