-- One row per contact: a person behind customers, across channels.
-- key: contact_id
-- load: view on created_on
--
-- contact_id      id of the person
-- created_at      first event of the contact, UTC
-- created_on      day of created_at in the reporting zone
-- updated_at      last event of the contact, UTC
-- merged_into     contact that it is merged into now; null if it stands alone
-- person_id       contact that all merges lead to; the contact itself without a merge
-- link_count      addresses that were linked
-- event_count     events of the contact

with

history as (
    select
        contact_id,
        position,
        event_type,
        happened_at,
        happened_on,
        case
            when event_type = 'contact.merged' then payload ->> '$.into'
            when event_type = 'contact.unmerged' then ''
        end as merged_into
    from events
    where
        conversation_id is null
        and event_type in (
            'contact.created', 'contact.updated', 'contact.linked', 'contact.merged',
            'contact.unmerged', 'contact.unlinked', 'contact.merge_proposed',
            'contact.merge_declined'
        )
),

described as (
    select
        contact_id,
        arg_min(happened_at, position) as created_at,
        arg_min(happened_on, position) as created_on,
        max(happened_at) as updated_at,
        nullif(arg_max(merged_into, position) filter (where merged_into is not null), '')
            as merged_into,
        count(*) filter (where event_type = 'contact.linked') as link_count,
        count(*) as event_count
    from history
    group by contact_id
)

select
    described.contact_id,
    described.created_at,
    described.created_on,
    described.updated_at,
    described.merged_into,
    coalesce(merged_contacts.person_id, described.contact_id) as person_id,
    described.link_count,
    described.event_count
from described
left join merged_contacts on described.contact_id = merged_contacts.contact_id
