"""Dagster's definitions: the lake as a source, the load, its job, and the sensor that starts it."""

import json
import time
from dataclasses import asdict, dataclass

import dagster as dg

from ingest.seal_request import request_seal
from ingest.settings import Settings
from pipelines.load import MAX_RUNTIME, is_missing, load_asset, loaded_mark, sealed_mark
from pipelines.maintenance import daily, maintenance_jobs, many_loads

SENSOR_SECONDS = 5
JOBS = ("load", "merge", "maintain")
SEAL_SECONDS = 2.0
"""Time that the lake has to seal what waits; what it seals later is loaded later."""

RETRY_SECONDS = 60.0
"""Time after which a failed load is started again."""


def load_job(settings: Settings) -> dg.Definitions:
    """Return all definitions of one installation."""
    asset = load_asset(settings)
    job = dg.define_asset_job(
        "load",
        selection=[asset],
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": str(int(MAX_RUNTIME.total_seconds()))},
        description="Load every waiting segment into every model, in one transaction.",
    )
    lake = dg.AssetSpec(
        "lake", description="Sealed Parquet segments and their manifest.", kinds={"parquet"}
    )
    return dg.Definitions(
        assets=[lake, asset],
        jobs=[job, *maintenance_jobs(settings)],
        schedules=[daily()],
        sensors=[new_segments(settings), many_loads()],
    )


def new_segments(settings: Settings) -> dg.SensorDefinition:
    """Return a sensor that lets the lake seal, and starts the load when it has what the warehouse does not have."""

    @dg.sensor(
        name="new_segments",
        job_name="load",
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Compare the manifest's last line with the one that the last load began with."""
        if _running(context.instance):
            return dg.SkipReason("a load is running")
        request_seal(settings.lake_path, SEAL_SECONDS)
        started = Start(**json.loads(context.cursor or "{}"))
        found = Start(sealed_mark(settings), time.time())
        if reason := _reason_to_wait(settings, context.instance, started, found):
            return dg.SkipReason(reason)
        for job in JOBS:  # not in every tick: an idle installation has no new runs
            delete_old_runs(context.instance, job)
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=json.dumps(asdict(found)))

    return sensor


@dataclass(frozen=True)
class Start:
    """The start of a load: what was sealed then, and the time in seconds since 1970."""

    mark: str = ""
    at: float = 0.0


def _reason_to_wait(
    settings: Settings, instance: dg.DagsterInstance, last: Start, found: Start
) -> str | None:
    """Return why no load starts now, or None."""
    if not found.mark:
        return "nothing is sealed yet"
    if is_missing(settings.warehouse_path):
        return None
    if found.mark == loaded_mark(instance):
        return "all sealed segments are loaded"
    is_repeat = found.mark == last.mark or _last_failed(instance)
    if is_repeat and found.at - last.at < RETRY_SECONDS:
        return f"a load was started less than {RETRY_SECONDS:.0f} s ago"
    return None


KEPT_RUNS = 200
"""Finished runs of each job that are kept. Dagster keeps a file of 0.2 MB for each: a load every 10 s is 1.7 GB a day."""

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def delete_old_runs(instance: dg.DagsterInstance, job: str, kept: int = KEPT_RUNS) -> int:
    """Delete finished runs of a job but the newest `kept`, a few at a time; return how many were deleted."""
    finished = dg.RunsFilter(job_name=job, statuses=_FINISHED)
    old = list(instance.get_runs(finished, limit=kept + 20))[kept:]
    for run in old:
        instance.delete_run(run.run_id)
    return len(old)


_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _running(instance: dg.DagsterInstance) -> bool:
    return instance.get_runs_count(dg.RunsFilter(job_name="load", statuses=_UNFINISHED)) > 0


def _last_failed(instance: dg.DagsterInstance) -> bool:
    runs = instance.get_runs(dg.RunsFilter(job_name="load"), limit=1)
    return bool(runs) and runs[0].status == dg.DagsterRunStatus.FAILURE


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions when Dagster asks, so that an import reads no setting."""
    return load_job(Settings())
