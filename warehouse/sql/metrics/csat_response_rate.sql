-- Response rate of ratings
-- topic: feedback
-- question: Which share of rating requests is answered?
-- formula: requests with a rating before the next request ÷ requests
-- kind: ratio
-- unit: share
-- clock: event: the day of the request
-- maturity: 0 days
-- excludes: test conversations
-- owner: analytics
-- version: 1
-- source: Assembled

select
    conversation_id,
    sequence,
    requested_on as active_on,
    channel,
    case when is_answered then 1 else 0 end as numerator,
    1 as denominator
from feedback_requests
where not is_test
