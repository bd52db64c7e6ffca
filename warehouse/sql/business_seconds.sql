-- The cases of a duration, each counted only while the business is open. A case that begins before
-- the first schedule, or ends after the last known day, has no value.

with

cases as (
    select
        conversation_id,
        sequence,
        active_on,
        channel,
        bot_version,
        started_at,
        ended_at,
        row_number() over (partition by active_on order by started_at, ended_at) as case_number
    from timed_cases
),

known as (
    select
        min(starts_at) as known_from,
        max(ends_at) as known_until
    from dates
    where schedule_valid_from is not null
)

select
    cases.conversation_id,
    cases.sequence,
    cases.active_on,
    cases.channel,
    cases.bot_version,
    case
        when
            cases.ended_at >= cases.started_at
            and cases.started_at >= known.known_from
            and cases.ended_at < known.known_until
            then
                coalesce(
                    sum(
                        date_diff(
                            'second',
                            date_trunc('second', greatest(cases.started_at, parts.opens_at)),
                            date_trunc('second', least(cases.ended_at, parts.closes_at))
                        )
                    ) filter (where parts.opens_at is not null),
                    0
                )
    end as value
from cases
cross join known
left join business_hours as parts
    on cases.ended_at > parts.opens_at and cases.started_at < parts.closes_at
group by
    cases.conversation_id,
    cases.sequence,
    cases.active_on,
    cases.case_number,
    cases.channel,
    cases.bot_version,
    cases.started_at,
    cases.ended_at,
    known.known_from,
    known.known_until
