-- One page of the conversations that match, newest first; `matches` is how many there are.
-- A page beyond the last gives the last one.

with

said as (
    select distinct conversation_id
    from messages
    where $search <> '' and contains(lower(text), lower($search))
),

matching as (
    select
        conversations.*,
        row_number() over (
            order by conversations.created_at desc, conversations.conversation_id asc
        ) as place,
        count(*) over () as matches
    from conversations
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
            $search = ''
            or contains(lower(conversations.conversation_id), lower($search))
            or contains(lower(conversations.contact_id), lower($search))
            or conversations.conversation_id in (select said.conversation_id from said)
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
    placed.created_at at time zone 'UTC' at time zone definition.reporting_zone as started_at,
    placed.channel,
    placed.state,
    placed.contact_id,
    placed.message_count,
    placed.session_count,
    placed.handoff_count,
    placed.feedback_score,
    placed.is_test
from placed
cross join definition
where
    placed.place > (placed.page - 1) * $page_size
    and placed.place <= placed.page * $page_size
order by placed.place
