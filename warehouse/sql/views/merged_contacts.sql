-- One row per contact that is merged into another one now, directly or through others.
-- key: contact_id
-- load: view on changed_on
--
-- contact_id   contact that was merged
-- person_id    contact that all merges lead to
-- changed_on   day of the contact's last merge in the reporting zone

with recursive

latest as (
    select
        contact_id,
        max(changed_on) as changed_on,
        nullif(arg_max(merged_into, position) filter (where merged_into is not null), '')
            as merged_into
    from contact_merges
    group by contact_id
),

followed as (
    select
        contact_id,
        changed_on,
        merged_into as person_id,
        1 as step
    from latest
    where merged_into is not null
    union all
    select
        followed.contact_id,
        followed.changed_on,
        latest.merged_into as person_id,
        followed.step + 1 as step
    from followed
    inner join latest on followed.person_id = latest.contact_id
    where latest.merged_into is not null and followed.step < 100
)

select
    contact_id,
    arg_max(person_id, step) filter (where person_id is not null) as person_id,
    max(changed_on) as changed_on
from followed
group by contact_id
