"""The mean scores of samples. Random samples estimate their population; targeted ones describe themselves."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from dashboards.reviews.intervals import Estimate, estimate_mean, estimate_share
from ingest.client import Review, SampleProgress

ESTIMATING = ("random", "stratified")
"""Kinds of samples whose mean is an estimate for their population."""


@dataclass(frozen=True)
class SampleScore:
    """The score of one sample: its mean, 0 to 100, and its share of conversations with a critical failure.

    `n` of both is the number of conversations: several reviews of one conversation are one value, their mean.
    """

    sample: SampleProgress
    mean: Estimate
    critical: Estimate


def summarize(
    samples: Iterable[SampleProgress], reviews: Iterable[Review]
) -> tuple[list[SampleScore], list[SampleScore]]:
    """Return the scores of random and stratified samples, and those of targeted ones.

    A conversation counts when it has all reviews that its sample asks for, so that every viewer sees the same score.
    Calibration samples are left out. Targeted means have no interval: their conversations were not drawn by chance.
    """
    of_sample: dict[str | None, dict[str, list[Review]]] = defaultdict(lambda: defaultdict(list))
    for each in reviews:
        of_sample[each.assignment_id][each.conversation_id].append(each)
    random, targeted = [], []
    for sample in samples:
        wanted = sample.reviews_per_conversation
        items = [each for each in of_sample[sample.sample_id].values() if len(each) >= wanted]
        if sample.is_calibration or not items:
            continue
        if sample.sampling in ESTIMATING:
            random.append(_estimate(sample, items))
        else:
            targeted.append(_describe(sample, items))
    return random, targeted


def _estimate(sample: SampleProgress, items: Sequence[Sequence[Review]]) -> SampleScore:
    scores = [fmean(review.score for review in each) for each in items]
    chances = [each[0].inclusion_probability or 1.0 for each in items]
    failed = sum(any(review.is_critical_failure for review in each) for each in items)
    return SampleScore(sample, estimate_mean(scores, chances), estimate_share(failed, len(items)))


def _describe(sample: SampleProgress, items: Sequence[Sequence[Review]]) -> SampleScore:
    scores = [fmean(review.score for review in each) for each in items]
    failed = sum(any(review.is_critical_failure for review in each) for each in items)
    n = len(items)
    return SampleScore(sample, Estimate(n, fmean(scores)), Estimate(n, failed / n))
