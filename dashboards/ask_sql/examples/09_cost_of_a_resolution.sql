-- What a resolution of the bot costs.

select
    facts.channel,
    sum(facts.cost_usd) as cost_usd,
    sum(facts.bot_resolved_count) as resolved_by_bot,
    round(sum(facts.cost_usd) / nullif(sum(facts.bot_resolved_count), 0), 5) as usd_each,
    round(sum(facts.costed_call_count) / nullif(sum(facts.model_call_count), 0), 3) as coverage
from conversation_facts as facts
where not facts.is_test
group by all
order by facts.channel
