"""The load as a Dagster asset: every model of the warehouse, in one step and one transaction."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg

from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings
from warehouse.build import load
from warehouse.business_hours import BusinessHoursError, read_schedules
from warehouse.checks import CheckError
from warehouse.lake import catalog_path
from warehouse.load_report import LoadReport
from warehouse.model import SOURCES, Model, models

POOL = "warehouse"
MAX_RUNTIME = timedelta(minutes=30)
"""Dagster does not detect a dead worker; after this time it treats the run as dead. The kernel holds the
warehouse's lock, so the next run can start when the process has ended.
"""


def _spec(model: Model) -> dg.AssetSpec:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(name, description=meaning) for name, meaning in model.columns.items()
        ]
    )
    return dg.AssetSpec(
        model.name,
        deps=[name for name in model.reads if name not in SOURCES]
        or ([] if model.load_by == "calendar" else [dg.AssetKey("lake")]),
        description=model.grain,
        group_name=model.layer,
        metadata={"dagster/column_schema": schema, "key": ", ".join(model.key)},
        kinds={"duckdb", "sql"},
    )


def load_asset(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset that loads every waiting segment of this installation. Safe to repeat."""

    @dg.multi_asset(
        name="load_models",
        specs=[_spec(model) for model in models()],
        pool=POOL,
        retry_policy=dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL),
    )
    def load_models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        """Load all waiting segments; row counts are this load's."""
        mark, report = _load(settings)
        context.log.info(describe(report))
        for each in report.damaged:
            context.log.error("%s is quarantined: %s", each.segment.path, each.reason)
        for model in models():
            yield dg.MaterializeResult(
                asset_key=model.name, metadata=_metadata(report, model, mark)
            )

    return load_models


def _load(settings: Settings) -> tuple[str, LoadReport]:
    """Load; return the mark of what was sealed at the start, and the report.

    An error that a retry cannot fix fails at once; every other error is retried.
    """
    try:
        mark = sealed_mark(settings)
        report = load(
            settings.lake_path,
            settings.warehouse_path,
            settings.reporting_zone,
            business_hours=read_schedules(settings.business_hours),
        )
    except (BusinessHoursError, ManifestError, CheckError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return mark, report


def _metadata(report: LoadReport, model: Model, mark: str) -> dict[str, int | float | str]:
    return {
        "sealed_mark": mark,
        "rows_written": report.rows.get(model.name, 0),
        "events": report.events,
        "segments": report.segments,
        "quarantined_segments": len(report.damaged),
        "seconds": round(report.seconds, 3),
    }


def describe(report: LoadReport) -> str:
    """Return one line for a person."""
    damaged = f", {len(report.damaged)} segments quarantined" if report.damaged else ""
    return (
        f"{report.events:,} events of {report.conversations:,} conversations from "
        f"{report.segments:,} segments in {report.seconds:.1f} s{damaged}"
    )


def sealed_mark(settings: Settings) -> str:
    """Return a string that changes whenever a segment was sealed; empty for an empty lake."""
    return read_manifest(settings.lake_path)[1]


def loaded_mark(instance: dg.DagsterInstance) -> str:
    """Return what `sealed_mark` was when the last successful load began; empty if there was none."""
    event = instance.get_latest_materialization_event(dg.AssetKey("events"))
    if event is None or event.asset_materialization is None:
        return ""
    value = event.asset_materialization.metadata.get("sealed_mark")
    return "" if value is None else str(value.value)


def is_missing(warehouse: Path) -> bool:
    """Return whether the warehouse is missing."""
    return not catalog_path(warehouse).exists()
