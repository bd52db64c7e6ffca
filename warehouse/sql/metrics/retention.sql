-- Retention
-- topic: demand
-- question: Which share of a week's customers returns in the next week?
-- formula: contacts of a week with an episode in the next week ÷ contacts with an episode in
--   that week; for support, a high value may be bad
-- kind: ratio
-- unit: share
-- clock: cohort: the Monday of the week in which the contact opened an episode
-- maturity: 14 days
-- excludes: tests, customers without a contact, and weeks that are not followed by a complete
--   one
-- owner: analytics
-- version: 1
-- source: Infobip
-- stored: no, it compares conversations with each other

with

weeks as (
    select
        contact_id,
        cast(date_trunc('week', opened_on) as date) as week_on,
        min(channel) as channel,
        min(bot_id) as bot_id,
        min(bot_version) as bot_version,
        min(conversation_id) as conversation_id
    from episode_outcomes
    where contact_id is not null and not is_test
    group by contact_id, cast(date_trunc('week', opened_on) as date)
)

select
    weeks.conversation_id,
    weeks.week_on as active_on,
    weeks.channel,
    weeks.bot_id,
    weeks.bot_version,
    case when following.contact_id is null then 0 else 1 end as numerator,
    1 as denominator
from weeks
left join weeks as following
    on
        weeks.contact_id = following.contact_id
        and following.week_on = weeks.week_on + interval 7 day
