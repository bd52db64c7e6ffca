-- Containment by week and bot version.

select
    date_trunc('week', opened_on) as week,
    bot_version,
    count(*) as demands,
    round(avg(case when is_contained then 1 else 0 end), 3) as containment
from episode_outcomes
where is_eligible
group by all
order by week, bot_version
