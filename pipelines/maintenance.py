"""The warehouse's maintenance in Dagster: merges after a number of loads, the rest daily."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from ingest.settings import Settings
from pipelines.load import MAX_RUNTIME, POOL
from warehouse.maintenance import MERGE_LOADS, Report, maintain, merge

MAINTAIN_AT = "40 3 * * *"
SENSOR_SECONDS = 60


def maintenance_jobs(settings: Settings) -> list[dg.JobDefinition]:
    """Return `merge` and `maintain`, each one step that excludes loads while it runs."""
    return [
        _job(
            "merge",
            "Merge small files, and expire all but the last snapshot of each day.",
            lambda: merge(settings.warehouse_path, datetime.now(UTC)),
        ),
        _job(
            "maintain",
            "Rewrite and merge files, expire old snapshots, remove files that none needs.",
            lambda: maintain(settings.warehouse_path, datetime.now(UTC), settings.snapshot_days),
        ),
    ]


def _job(name: str, description: str, work: Callable[[], Report]) -> dg.JobDefinition:
    @dg.op(
        name=f"{name}_files",
        pool=POOL,
        description=description,
        retry_policy=dg.RetryPolicy(max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL),
    )
    def step(context: dg.OpExecutionContext) -> dg.Output[str]:
        """Run the maintenance, and show the result."""
        report = work()
        context.log.info(str(report))
        figures = {"live_files": report.files_after, "seconds": round(report.seconds, 3)}
        return dg.Output(str(report), metadata={**report.steps, **figures})

    @dg.job(
        name=name,
        description=description,
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": str(int(MAX_RUNTIME.total_seconds()))},
    )
    def job() -> None:
        step()

    return job


def daily() -> dg.ScheduleDefinition:
    """Return the schedule of `maintain`: daily."""
    return dg.ScheduleDefinition(
        name="daily_maintenance",
        job_name="maintain",
        cron_schedule=MAINTAIN_AT,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def many_loads() -> dg.SensorDefinition:
    """Return a sensor that starts `merge` after MERGE_LOADS successful loads."""

    @dg.sensor(
        name="many_loads",
        job_name="merge",
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Count the loads since the last merge started."""
        last = context.instance.get_run_records(dg.RunsFilter(job_name="merge"), limit=1)
        if last and not last[0].dagster_run.is_finished:
            return dg.SkipReason("a merge is running")
        loads = context.instance.get_runs_count(
            dg.RunsFilter(
                job_name="load",
                statuses=[dg.DagsterRunStatus.SUCCESS],
                created_after=last[0].create_timestamp if last else None,
            )
        )
        if loads < MERGE_LOADS:
            return dg.SkipReason(f"{loads} loads since the last merge")
        return dg.RunRequest()

    return sensor
