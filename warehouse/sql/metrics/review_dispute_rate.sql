-- Review dispute rate
-- topic: quality assurance
-- question: Which share of reviews is disputed?
-- formula: reviews with a dispute ÷ reviews
-- kind: ratio
-- unit: share
-- clock: cohort: the day of the review
-- maturity: 14 days
-- excludes: tests, calibration reviews, and reviews younger than 14 days
-- owner: analytics
-- version: 1
-- source: MaestroQA
-- stored: no, a review is no event of its conversation

select
    reviews.conversation_id,
    reviews.submitted_on as active_on,
    conversations.channel,
    case when reviews.dispute_count > 0 then 1 else 0 end as numerator,
    1 as denominator
from reviews
inner join conversations on reviews.conversation_id = conversations.conversation_id
where not conversations.is_test and not reviews.is_calibration
