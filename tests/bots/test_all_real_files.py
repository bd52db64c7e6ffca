"""Every real file of bot logs comes into one log, whole, and a second time adds nothing."""

from pathlib import Path

import pytest

from ingest.client import Client
from ingest.importers import IMPORTERS
from ingest.importers.runner import ImportReport, run_import
from tests.api_server import Installation
from tests.bots.real_files import files, needs_files

FOLDERS = {
    "rasa": "rasa", "botframework_transcripts": "botframework", "openai_chat": "openai-chat",
    "dialogflow_es_webhook": "dialogflow", "langfuse_traces": "langfuse",
}  # fmt: skip

pytestmark = [needs_files, pytest.mark.long]


def bring_in(running: Installation, name: str, path: Path) -> ImportReport:
    importer = next(each for each in IMPORTERS if each.name == name)
    with Client(running.url, running.key) as client:
        return run_import(importer, path, client)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_comes_in_whole_and_again_as_duplicates(
    running: Installation, folder: str
) -> None:
    for path in files(folder, without=".chatml."):
        first = bring_in(running, FOLDERS[folder], path)
        assert first.is_complete, (path, first.rejected[:3], first.damage[:3])
        assert first.accepted + first.duplicate == first.read > 1
    for path in files(folder, without=".chatml."):
        again = bring_in(running, FOLDERS[folder], path)
        assert again.is_complete, (path, again.rejected[:3])
        assert again.duplicate == again.read


def test_a_file_that_is_no_export_is_damage_with_its_reason(running: Installation) -> None:
    for path in set(files("langfuse_traces")) - set(files("langfuse_traces", without=".chatml.")):
        report = bring_in(running, "langfuse", path)
        assert report.read == 0
        assert [each.reason for each in report.damage] == ["not a trace, and no observation of one"]
