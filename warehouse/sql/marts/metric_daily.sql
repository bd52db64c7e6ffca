-- One row per day, metric, channel, bot, bot version and breakdown: sums, never rates.
-- key: active_on, metric, metric_version, channel, bot_id, bot_version, breakdown
-- load: by active_on on active_on
--
-- active_on         day, in the reporting zone, on the metric's clock
-- metric            name in the registry: `convolake metrics`
-- metric_version    version of its definition
-- channel           channel; empty if unknown
-- bot_id            bot; empty if unknown
-- bot_version       version of the bot; empty if unknown
-- breakdown         value by which the metric is broken down; empty for most
-- numerator         sum of the numerators of a ratio; else 0
-- denominator       sum of the denominators of a ratio or a quotient; else 0
-- value_sum         sum of the values of a duration, a count, a sum or a quotient; else 0
-- value_count       number of values
-- missing_count     rows without a value: no answer yet, no price, or clocks that contradict
-- up_to_1h_count    durations below 1 hour
-- up_to_4h_count    durations from 1 hour to below 4 hours
-- up_to_8h_count    durations from 4 hours to below 8 hours
-- up_to_24h_count   durations from 8 hours to below 24 hours
-- over_24h_count    durations from 24 hours on

select
    active_on,
    metric,
    metric_version,
    coalesce(channel, '') as channel,
    coalesce(bot_id, '') as bot_id,
    coalesce(bot_version, '') as bot_version,
    coalesce(breakdown, '') as breakdown,
    cast(coalesce(sum(numerator), 0) as bigint) as numerator,
    cast(coalesce(sum(denominator), 0) as bigint) as denominator,
    cast(coalesce(sum(cast(value as decimal(28, 9))), 0) as decimal(38, 9)) as value_sum,
    count(value) as value_count,
    count(*) filter (where numerator is null and value is null) as missing_count,
    count(*) filter (where unit = 'seconds' and value < 3600) as up_to_1h_count,
    count(*) filter (
        where unit = 'seconds' and value >= 3600 and value < 14400
    ) as up_to_4h_count,
    count(*) filter (
        where unit = 'seconds' and value >= 14400 and value < 28800
    ) as up_to_8h_count,
    count(*) filter (
        where unit = 'seconds' and value >= 28800 and value < 86400
    ) as up_to_24h_count,
    count(*) filter (where unit = 'seconds' and value >= 86400) as over_24h_count
from metric_rows
group by
    active_on,
    metric,
    metric_version,
    coalesce(channel, ''),
    coalesce(bot_id, ''),
    coalesce(bot_version, ''),
    coalesce(breakdown, '')
