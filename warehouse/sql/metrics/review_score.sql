-- Review score
-- topic: quality assurance
-- question: How good are conversations in the judgement of reviewers?
-- formula: points earned ÷ points possible over the reviews of random samples, after their
--   disputes; a score of 0 to 100 is counted in hundredths of a point
-- kind: ratio
-- unit: share
-- clock: event: the day of the review
-- maturity: 0 days
-- excludes: tests, calibration reviews, and reviews of stratified, targeted or no samples
-- owner: analytics
-- version: 1
-- source: Zendesk QA
-- stored: no, a review is no event of its conversation

select
    reviews.submitted_on as active_on,
    conversations.channel,
    cast(round(reviews.score * 100) as bigint) as numerator,
    10000 as denominator
from reviews
inner join conversations on reviews.conversation_id = conversations.conversation_id
where
    reviews.sampling = 'random'
    and not reviews.is_calibration
    and not conversations.is_test
