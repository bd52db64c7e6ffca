"""Mean scores: random samples with intervals, targeted samples apart, calibration left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.reviews import charts, connection, scorecard_form
from dashboards.reviews.intervals import Estimate
from dashboards.reviews.sample_card import SAMPLINGS
from dashboards.reviews.score_summary import SampleScore, summarize
from dashboards.reviews.visit import Visit
from ingest.client import SampleProgress

COLUMNS: dict[str, Any] = {
    "title": "Sample",
    "drawn": "Drawn",
    "sampling": "Method",
    "scorecard": "Scorecard",
    "population": st.column_config.NumberColumn("Population", format="localized"),
    "n": st.column_config.NumberColumn("Reviewed (n)", format="localized"),
    "mean": "Mean score",
    "interval": "95 % interval",
    "critical": "Critical failures",
    "critical_interval": "95 % interval ",
}


def show(visit: Visit) -> None:
    """Show the scores of all samples that have reviews."""
    samples = connection.load_samples()
    random, targeted = summarize(samples, connection.load_reviews())
    if not random and not targeted:
        st.info(
            "No conversation of a sample has all its reviews yet. Calibration samples are counted in no score."
        )
        return
    st.subheader("Random and stratified samples", anchor=False)
    if random:
        st.caption(
            "Mean score, 0 to 100, of the conversations that have all their reviews, with the interval in which the mean of the whole population "
            "lies with a confidence of 95 % (t for means, Wilson for shares). Scores are those after disputes. Each "
            f"sample has its own population and period. Times in {visit.bounds.reporting_zone}."
        )
        st.altair_chart(
            charts.means(_points(visit, random)), alt="Mean score of each random sample"
        )
        _show_table(visit, random)
        st.page_link(
            "metrics/page.py",
            label="Metric: review score by day",
            icon=":material/functions:",
            query_params={"metric": "review_score"},
        )
    else:
        st.text("None has a review yet.")
    st.subheader("Targeted samples", anchor=False)
    st.caption(
        "Chosen by how the conversations went, so the mean describes these conversations only. It has no interval and "
        "is never mixed into the scores above."
    )
    if targeted:
        _show_table(visit, targeted)
    else:
        st.text("None has a review yet.")


def _show_table(visit: Visit, scores: Sequence[SampleScore]) -> None:
    rows = [
        {
            "title": formatting.quote(each.sample.title),
            "drawn": visit.moment(each.sample.drawn_at),
            "sampling": SAMPLINGS.get(each.sample.sampling, formatting.UNKNOWN),
            "scorecard": f"{formatting.quote(each.sample.scorecard)} {each.sample.scorecard_version}",
            "population": each.sample.population,
            "n": each.mean.n,
            "mean": scorecard_form.score(each.mean.value),
            "interval": _interval(each.mean, scorecard_form.score),
            "critical": formatting.share(each.critical.value),
            "critical_interval": _interval(each.critical, formatting.share),
        }
        for each in scores
    ]
    is_estimate = any(each.mean.low is not None or each.critical.low is not None for each in scores)
    st.dataframe(
        pl.DataFrame(rows),
        hide_index=True,
        height="content",
        column_config=COLUMNS,
        column_order=[each for each in COLUMNS if is_estimate or "interval" not in each],
    )


def _interval(estimate: Estimate, form: Callable[[float | None], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return formatting.UNKNOWN
    return f"{form(estimate.low)} to {form(estimate.high)}"


def _points(visit: Visit, scores: Sequence[SampleScore]) -> pl.DataFrame:
    """Return a row for each sample, the oldest first. Samples that share a title have the time too."""
    titles = Counter(each.sample.title for each in scores)

    def name(sample: SampleProgress) -> str:
        when = "" if titles[sample.title] == 1 else f" ({visit.moment(sample.drawn_at)})"
        return formatting.reveal(sample.title) + when

    rows = [
        {
            "sample": name(each.sample),
            "mean": each.mean.value,
            "low": each.mean.low,
            "high": each.mean.high,
            "n": each.mean.n,
        }
        for each in reversed(scores)
    ]
    return pl.DataFrame(rows, schema_overrides={"low": pl.Float64, "high": pl.Float64})
