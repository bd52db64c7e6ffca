-- Who worked: time under each agent's control.

select
    agent_id,
    count(*) as spans,
    sum(active_seconds) as seconds
from control_spans
where not is_test and owner = 'agent' and ended_at is not null
group by agent_id
order by seconds desc
