-- Late events
-- topic: pipeline
-- question: Which share of the events arrives after its day was reported?
-- formula: events of days before the newest known day ÷ stored events
-- kind: ratio
-- unit: share
-- clock: event: the day of the load, in UTC
-- maturity: 0 days
-- excludes: nothing; an import of history is late too
-- owner: operations
-- version: 1
-- source: dbt-labs/snowplow 54
-- stored: no, it is about loads

select
    cast(loaded_at as date) as active_on,
    cast(null as varchar) as channel,
    late_events as numerator,
    stored_events as denominator
from loads
