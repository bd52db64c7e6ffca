-- Customer satisfaction
-- topic: feedback
-- question: Which share of ratings is positive?
-- formula: ratings of at least 0.8 of their scale ÷ ratings with a score; without a scale it
--   is 5
-- kind: ratio
-- unit: share
-- clock: event: the day of the rating
-- maturity: 0 days
-- excludes: tests, ratings whose score is missing or cannot be read
-- owner: analytics
-- version: 1
-- source: Assembled

select
    conversation_id,
    sequence,
    submitted_on as active_on,
    channel,
    bot_id,
    bot_version,
    case when is_positive then 1 else 0 end as numerator,
    1 as denominator
from feedback
where not is_test and is_positive is not null
