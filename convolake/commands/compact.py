"""`compact`: merges the segments of closed days."""

import typer

from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings

app = typer.Typer()


@app.command()
def compact() -> None:
    """Compact the lake's closed days now; the lake process does it every hour."""
    from datetime import UTC, datetime

    from ingest.lake.compaction import plan
    from ingest.lake.compaction_schedule import compact_now
    from ingest.lake.lock import LakeBehindError
    from ingest.manifest import ManifestError, read_manifest

    settings = Settings()
    with report_errors(LakeBehindError, ManifestError):
        before, _ = read_manifest(settings.lake_path)
        with progress_bar("compacting closed days"):
            compact_now(settings)
        after, _ = read_manifest(settings.lake_path)
    print_line(f"{len(before):,} segments before, {len(after):,} now")
    left = plan(after, datetime.now(UTC))
    if left:
        days = ", ".join(str(groups[0][0].received_on) for groups in left)
        print_line(f"skipped: {days}; `convolake verify` has the reason", style="red")
        raise typer.Exit(1)
