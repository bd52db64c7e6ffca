-- One row: how many messages of $conversation_id have the words $words, and which are around the
-- sequence $at: the place of the hit at or before it (0: none), and the sequences before and after.
-- `shown` has the sequences of the hits from sequence $first to $last.
-- Case, accents and Unicode form do not count. Deleted messages have no text.

with

hits as (
    select sequence
    from messages
    where
        conversation_id = $conversation_id
        and happened_on between $first_on and $last_on
        and strip_accents(lower(nfc_normalize($words))) <> '' -- an accent alone is no word
        and contains(
            strip_accents(lower(nfc_normalize(text))),
            strip_accents(lower(nfc_normalize($words)))
        )
)

select
    count(*) as hits,
    count(*) filter (where sequence <= $at) as place,
    max(sequence) filter (where sequence < $at) as before_at,
    min(sequence) filter (where sequence > $at) as after_at,
    list(sequence) filter (where sequence between $first and $last) as shown
from hits
