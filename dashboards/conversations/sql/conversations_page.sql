-- One page of the conversations that match, in the order $sort; `matches` is how many there are.
-- A page beyond the last has no row. Search ignores case, accents and Unicode form;
-- `found_sequence` is the first message with the searched words.

with

searched as (
    select strip_accents(lower(nfc_normalize($search))) as words
),

in_period as (
    select *
    from conversations
    where
        case
            when cast($is_active as boolean)
                then first_on <= $last_on and last_on >= $first_on
            else started_on between $first_on and $last_on
        end
),

-- The few conversations with messages outside the usual days.
long as (
    select conversation_id
    from in_period
    where
        first_on < cast($usual_first_on as date)
        or last_on > cast($usual_last_on as date)
),

spoken as (
    select
        conversation_id,
        sequence,
        text
    from messages
    where happened_on between cast($usual_first_on as date) and cast($usual_last_on as date)
    union all
    select
        messages.conversation_id,
        messages.sequence,
        messages.text
    from messages
    inner join long on messages.conversation_id = long.conversation_id
    where
        messages.happened_on between cast($earliest_on as date) and cast($latest_on as date)
        and (
            messages.happened_on < cast($usual_first_on as date)
            or messages.happened_on > cast($usual_last_on as date)
        )
),

said as (
    select
        spoken.conversation_id,
        min(spoken.sequence) as found_sequence
    from spoken
    cross join searched
    where
        searched.words <> ''
        and contains(strip_accents(lower(nfc_normalize(spoken.text))), searched.words)
    group by spoken.conversation_id
),

-- The wait of each handoff: until an agent accepted, or until it ended without that.
waited as (
    select
        conversation_id,
        reason,
        queue,
        agent_id,
        outcome,
        case
            when accepted_at is not null then wait_seconds
            when ended_at >= requested_at
                then
                    date_diff(
                        'second',
                        date_trunc('second', requested_at),
                        date_trunc('second', ended_at)
                    )
        end as waited_seconds
    from handoffs
    where
        -- A clock may have been put back: a handoff can be before the conversation's beginning.
        requested_on >= cast($earliest_on as date)
),

-- Conversations with one handoff that has all that is asked of a handoff.
passed as (
    select
        conversation_id,
        max(waited_seconds) as wait_seconds
    from waited
    where
        (cast($reason as varchar) is null or reason = cast($reason as varchar))
        and (cast($queue as varchar) is null or queue = cast($queue as varchar))
        and (cast($agent_id as varchar) is null or agent_id = cast($agent_id as varchar))
        and (cast($outcome as varchar) is null or outcome = cast($outcome as varchar))
        and (
            cast($min_wait_seconds as bigint) is null
            or waited_seconds >= cast($min_wait_seconds as bigint)
        )
    group by conversation_id
),

-- The last rating that can be read, and as a share of its scale.
rated as (
    select
        conversation_id,
        arg_max(score, sequence) as score,
        arg_max(score, sequence) / coalesce(arg_max_null(scale, sequence), 5) as share,
        arg_max(is_positive, sequence) as is_positive
    from feedback
    where
        score is not null
        and submitted_on >= cast($earliest_on as date)
    group by conversation_id
),

matching as materialized (
    select
        in_period.*,
        said.found_sequence,
        passed.wait_seconds,
        rated.score as last_score,
        date_diff(
            'second',
            date_trunc('second', in_period.created_at),
            date_trunc('second', in_period.latest_at)
        ) as duration_seconds,
        -- The one sort key, the smallest first; equal ones are listed newest first.
        case $sort
            when 'oldest' then cast(epoch_us(in_period.created_at) as double)
            when 'longest_wait' then -passed.wait_seconds
            when 'longest' then -duration_seconds
            when 'most_messages' then -in_period.message_count
            when 'lowest_rating' then rated.share
        end as sort_key
    from in_period
    cross join searched
    left join said on in_period.conversation_id = said.conversation_id
    left join passed on in_period.conversation_id = passed.conversation_id
    left join rated on in_period.conversation_id = rated.conversation_id
    where
        (not cast($names_handoff as boolean) or passed.conversation_id is not null)
        and (
            cast($rating as varchar) is null
            or case
                when rated.is_positive is null then 'none'
                when rated.is_positive then 'positive'
                else 'negative'
            end = cast($rating as varchar)
        )
        and (
            cast($bot_id as varchar) is null
            or in_period.bot_id = cast($bot_id as varchar)
        )
        and (
            cast($bot_version as varchar) is null
            or in_period.bot_version = cast($bot_version as varchar)
        )
        and (
            cast($min_duration_seconds as bigint) is null
            or duration_seconds >= cast($min_duration_seconds as bigint)
        )
        and (
            cast($max_duration_seconds as bigint) is null
            or duration_seconds < cast($max_duration_seconds as bigint)
        )
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), in_period.channel)
        )
        and (
            cast($state as varchar) is null
            or in_period.state = cast($state as varchar)
        )
        and (
            cast($is_handed_off as boolean) is null
            or in_period.is_handed_off = cast($is_handed_off as boolean)
        )
        and (cast($with_tests as boolean) or not in_period.is_test)
        and (
            cast($search as varchar) = ''
            or (
                searched.words <> '' -- an accent alone is no word
                and (
                    contains(lower(in_period.conversation_id), searched.words)
                    or contains(lower(in_period.contact_id), searched.words)
                    or said.found_sequence is not null
                )
            )
        )
),

counted as (
    select count(*) as matches from matching
),

page as (
    select *
    from matching
    order by sort_key asc nulls last, created_at desc, conversation_id asc
    limit $page_size offset $skipped
)

select
    counted.matches,
    page.conversation_id,
    page.created_at at time zone 'UTC' at time zone reporting.reporting_zone as started_at,
    page.channel,
    page.state,
    page.contact_id,
    page.bot_version,
    page.message_count,
    page.session_count,
    page.handoff_count,
    page.duration_seconds,
    page.wait_seconds,
    page.last_score as feedback_score,
    page.is_test,
    page.found_sequence
from page
cross join counted
cross join reporting
order by page.sort_key asc nulls last, page.created_at desc, page.conversation_id asc
