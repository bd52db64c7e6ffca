"""The data folder of a simulation: its settings, and how its log gets into its warehouse.

Loads no API: the process that seals imports this module, and starts faster without.
"""

from concurrent.futures import ProcessPoolExecutor
from ipaddress import ip_network
from multiprocessing import get_context
from pathlib import Path

from ingest.settings import Settings


def settings_of(folder: Path) -> Settings:
    """Return the default settings on `folder`, whatever the environment says; loopback takes sends."""
    return Settings.model_construct(data=folder, webhook_networks={ip_network("127.0.0.0/8")})


def load_record(settings: Settings) -> None:
    """Seal and load everything. A process of its own seals: this one may not read the API's store with ADBC."""
    from warehouse.build import load

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_seal, settings.data).result()
    load(settings.lake_path, settings.warehouse_path, settings.reporting_zone)


def _seal(folder: Path) -> None:
    from ingest.lake.sealer import catch_up

    catch_up(settings_of(folder))
