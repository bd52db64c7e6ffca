"""Which reviews a reviewer may see: none by others of a conversation that still waits for the reviewer's own."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ingest.client import Review, SampleProgress


def visible(
    reviews: Sequence[Review], samples: Iterable[SampleProgress], reviewer: str
) -> list[Review]:
    """Return the reviews that `reviewer` may see, in their order.

    Own reviews; reviews outside of a sample; and those of a conversation that the reviewer has reviewed in the same
    sample, or that has all reviews that the sample asks for.
    """
    wanted = {each.sample_id: each.reviews_per_conversation for each in samples}
    done = Counter((each.assignment_id, each.conversation_id) for each in reviews)
    own = {
        (each.assignment_id, each.conversation_id) for each in reviews if each.reviewer == reviewer
    }

    def is_visible(review: Review) -> bool:
        item = (review.assignment_id, review.conversation_id)
        if review.assignment_id is None or item in own:
            return True
        return done[item] >= wanted.get(review.assignment_id, 1)

    return [each for each in reviews if is_visible(each)]
