-- Completeness
-- topic: pipeline
-- question: Which share of the sealed events is in the models?
-- formula: stored events ÷ events of the loaded segments; the rest is in `rejected_events`, or its
--   segment is quarantined
-- kind: ratio
-- unit: share
-- clock: event: the day of the load, in UTC
-- maturity: 0 days
-- excludes: nothing; what the API rejected is in `convolake rejected list`
-- owner: operations
-- version: 1
-- source: Snowplow
-- stored: no, it is about loads

select
    cast(loaded_at as date) as active_on,
    cast(null as varchar) as channel,
    stored_events as numerator,
    received_events - duplicate_events as denominator
from loads
