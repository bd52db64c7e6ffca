-- Review score
-- topic: quality assurance
-- question: How good are conversations in the judgement of reviewers?
-- formula: scores from 0 to 100, after their disputes ÷ reviews; only reviews of random samples
-- kind: quotient
-- unit: points
-- clock: event: the day of the review
-- maturity: 0 days
-- excludes: tests, calibration reviews, and reviews of stratified, targeted or no samples
-- owner: analytics
-- version: 1
-- source: Zendesk QA
-- stored: no, a review is no event of its conversation

select
    reviews.conversation_id,
    reviews.submitted_on as active_on,
    conversations.channel,
    reviews.score as value,
    1 as denominator
from reviews
inner join conversations on reviews.conversation_id = conversations.conversation_id
where
    not conversations.is_test
    and not reviews.is_calibration
    and reviews.sampling = 'random'
