-- Contained without a callback
-- topic: bot
-- question: Which share of demands does the bot finish so that the person does not return
--   within a day?
-- formula: contained episodes whose contact opened no episode within 24 hours, in any
--   conversation and channel ÷ eligible episodes of known contacts
-- kind: ratio
-- unit: share
-- clock: cohort: the day on which the demand opened
-- maturity: 2 days
-- excludes: tests, episodes that are not eligible, customers without a contact, and days
--   younger than 2 days
-- owner: analytics
-- version: 1
-- source: Dialogflow CX
-- stored: no, it compares conversations with each other

select
    demand.conversation_id,
    demand.opened_sequence as sequence,
    demand.opened_on as active_on,
    demand.channel,
    demand.bot_id,
    demand.bot_version,
    case
        when
            demand.is_contained
            and not exists (
                select 1
                from episode_outcomes as callback
                where
                    callback.contact_id = demand.contact_id
                    and callback.opened_at > demand.opened_at
                    and callback.opened_at <= demand.opened_at + interval 24 hour
                    and not callback.is_test
            )
            then 1
        else 0
    end as numerator,
    1 as denominator
from episode_outcomes as demand
where demand.is_eligible and demand.contact_id is not null
