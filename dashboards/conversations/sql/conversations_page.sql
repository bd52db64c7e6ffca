-- One page of the conversations that match, newest first; `matches` is how many there are.
-- A page beyond the last gives the last one. Search ignores case, accents and Unicode form;
-- `found_sequence` is the first message with the searched words.

with

searched as (
    select strip_accents(lower(nfc_normalize($search))) as words
),

said as (
    select
        messages.conversation_id,
        min(messages.sequence) as found_sequence
    from messages
    cross join searched
    where
        searched.words <> ''
        and contains(strip_accents(lower(nfc_normalize(messages.text))), searched.words)
    group by messages.conversation_id
),

matching as (
    select
        conversations.*,
        said.found_sequence,
        row_number() over (
            order by conversations.created_at desc, conversations.conversation_id asc
        ) as place,
        count(*) over () as matches
    from conversations
    cross join searched
    left join said on conversations.conversation_id = said.conversation_id
    where
        conversations.started_on between $first_on and $last_on
        and (
            cast($channels as varchar[]) is null
            or list_contains(cast($channels as varchar[]), conversations.channel)
        )
        and (
            cast($state as varchar) is null
            or conversations.state = cast($state as varchar)
        )
        and (
            cast($is_handed_off as boolean) is null
            or conversations.is_handed_off = cast($is_handed_off as boolean)
        )
        and (cast($with_tests as boolean) or not conversations.is_test)
        and (
            searched.words = ''
            or contains(lower(conversations.conversation_id), searched.words)
            or contains(lower(conversations.contact_id), searched.words)
            or said.found_sequence is not null
        )
),

placed as (
    select
        *,
        least($page, cast(ceil(matches / $page_size) as bigint)) as page
    from matching
)

select
    placed.page,
    placed.matches,
    placed.conversation_id,
    placed.created_at at time zone 'UTC' at time zone reporting.reporting_zone as started_at,
    placed.channel,
    placed.state,
    placed.contact_id,
    placed.message_count,
    placed.session_count,
    placed.handoff_count,
    placed.feedback_score,
    placed.is_test,
    placed.found_sequence
from placed
cross join reporting
where
    placed.place > (placed.page - 1) * $page_size
    and placed.place <= placed.page * $page_size
order by placed.place
