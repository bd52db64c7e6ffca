"""Dagster's home in the data folder, and its processes."""

import os
import sys
from pathlib import Path

import dagster as dg

from ingest.settings import Settings
from pipelines.definitions import load_job
from pipelines.load import MAX_RUNTIME, POOL

_CONFIG = f"""\
# Written by Convolake if it is missing; edit it, or delete it to get the default.
telemetry:
  enabled: false
run_monitoring:
  enabled: true
  max_runtime_seconds: {int(MAX_RUNTIME.total_seconds())}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1  # 5 by default: events would be visible that much later
concurrency:
  pools:
    # One writer of the warehouse at a time: pool {POOL}, and a kernel lock beneath it.
    default_limit: 1
retention:
  sensor:
    purge_after_days: {{skipped: 1, failure: 30, success: 30}}
"""


def prepare(settings: Settings) -> Path:
    """Return Dagster's home; create it if it is missing. Safe to repeat."""
    home = settings.dagster_path.resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(_CONFIG)
    return home


HOST = "127.0.0.1"
"""Dagster's pages start and stop jobs and have no sign-in, so no other machine reaches them."""


def command(settings: Settings) -> list[str]:
    """Return the command line of Dagster's web server and daemon; run it with `environment`."""
    address = ["--host", HOST, "--port", str(settings.dagster_port)]
    module = ["-m", "pipelines.definitions"]
    return [sys.executable, "-m", "dagster", "dev", *module, *address, "--log-level", "warning"]


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of `command`."""
    return {**os.environ, "DAGSTER_HOME": str(prepare(settings))}


def run_once(settings: Settings, name: str = "load") -> dg.ExecuteInProcessResult:
    """Run the job `name` once, in this process, on the installation's own Dagster instance."""
    os.environ["DAGSTER_HOME"] = str(prepare(settings))
    with dg.DagsterInstance.get() as instance:
        job = load_job(settings).resolve_job_def(name)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return job.execute_in_process(run_config=quiet, instance=instance, raise_on_error=False)
