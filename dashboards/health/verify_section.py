"""The section of the last `convolake verify`."""

from datetime import UTC, datetime

import streamlit as st

from dashboards import formatting
from dashboards.health.data import read_report
from ingest.settings import Settings


def show(settings: Settings) -> None:
    """Show when the record was verified, and what failed."""
    st.subheader("Verification", anchor=False)
    report = read_report(settings.verify_path)
    if report is None:
        st.info(
            "The record was never verified. `convolake verify` proves that log, Parquet and warehouse hold the same "
            "events.",
            icon=":material/fact_check:",
        )
        return
    checks = report["checks"]
    when = formatting.age(report["finished_at"], datetime.now(UTC))
    figures = f"{formatting.counted(len(checks), 'check')} of {formatting.counted(report['events'], 'event')}, {when}"
    failed = [each for each in checks if not each["ok"]]
    if not failed:
        st.success(f"Verified: {figures}; all passed.", icon=":material/verified:")
        return
    st.error(f"Verified: {figures}; {len(failed)} failed:", icon=":material/error:")
    lines = "\n".join(f"{each['name']}: {each['detail']}" for each in failed)
    st.code(formatting.reveal(lines), language=None, wrap_lines=True)
