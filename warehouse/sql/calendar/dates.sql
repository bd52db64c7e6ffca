-- One row per day of the reporting zone, from 2000 to the end of the next year.
-- key: day
-- load: by calendar on day
--
-- day                   the day; joins with every `_on` column
-- starts_at             midnight, UTC
-- ends_at               the next midnight, UTC
-- week_on               Monday of its week
-- month_on              first day of its month
-- quarter_on            first day of its quarter
-- year                  year
-- iso_year              year of its ISO week
-- iso_week              ISO week, from 1
-- weekday               day of the week: 1 Monday to 7 Sunday
-- schedule_valid_from   version of the business hours; null before the first one, or without any
-- is_holiday            the business is closed for a holiday; null without business hours
-- business_seconds      seconds that the business is open; null without business hours

with

opened as (
    select
        calendar_days.day,
        sum(
            date_diff(
                'second',
                date_trunc('second', greatest(calendar_days.starts_at, open_parts.opens_at)),
                date_trunc('second', least(calendar_days.ends_at, open_parts.closes_at))
            )
        ) as business_seconds
    from calendar_days
    inner join open_parts
        on
            calendar_days.ends_at > open_parts.opens_at
            and calendar_days.starts_at < open_parts.closes_at
    group by calendar_days.day
)

select
    calendar_days.day,
    calendar_days.starts_at,
    calendar_days.ends_at,
    cast(date_trunc('week', calendar_days.day) as date) as week_on,
    cast(date_trunc('month', calendar_days.day) as date) as month_on,
    cast(date_trunc('quarter', calendar_days.day) as date) as quarter_on,
    cast(extract(year from calendar_days.day) as integer) as year,
    calendar_days.iso_year,
    calendar_days.iso_week,
    calendar_days.weekday,
    calendar_days.schedule_valid_from,
    calendar_days.is_holiday,
    case
        when calendar_days.schedule_valid_from is not null
            then cast(coalesce(opened.business_seconds, 0) as bigint)
    end as business_seconds
from calendar_days
left join opened on calendar_days.day = opened.day
