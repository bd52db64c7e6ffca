"""Tables of help desks: rows and parts that do not fit together lose nothing."""

from pathlib import Path

import pytest

from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, Importer, Item
from ingest.importers.intercom import IntercomImporter
from ingest.importers.zendesk import ZendeskImporter

TABLES: dict[Importer, dict[str, str]] = {
    IntercomImporter(): {
        "conversations.csv": "id,source_author_id,source_author_type,source_body,created_at\n"
        "1,u1,user,lost,{time}\n2,u1,user,Good,2024-01-02\n",
        "parts.csv": "id,conversation_id,part_type,author_id,author_type,body,created_at\n"
        "p1,1,comment,a1,admin,Kept,2024-01-01\np2,9,comment,a1,admin,Alone,2024-01-03\n",
        "admins.csv": "id,job_title,name\na1,support,Ben\n",
    },
    ZendeskImporter(): {
        "tickets.csv": "id,requester_id,status,description,created_at\n"
        "1,u1,solved,not read,{time}\n2,u1,open,Good,2024-01-02\n",
        "comments.csv": "id,ticket_id,author_id,body,public,created_at\n"
        "c1,1,a1,Kept,true,2024-01-01\nc2,9,a1,Alone,true,2024-01-03\n",
        "users.csv": "id,email,role,name\na1,ben@shop.example,agent,Ben\nu1,ada@shop.example,end-user,Ada\n",
    },
}


def read(importer: Importer, folder: Path, time: str) -> list[Item]:
    for name, text in TABLES[importer].items():
        (folder / name).write_text(text.format(time=time))
    return list(importer.read(folder, NO_OPTIONS))


@pytest.mark.parametrize("importer", TABLES, ids=lambda each: each.name)
def test_the_parts_of_a_row_without_a_readable_time_are_read(
    importer: Importer, tmp_path: Path
) -> None:
    items = read(importer, tmp_path, "soon")
    texts = [e.event["text"] for e in items if isinstance(e, ImportedEvent) and "text" in e.event]
    assert texts == ["Kept", "Good", "Alone"]
    (found,) = [item for item in items if isinstance(item, Damage)]
    assert found.place.endswith("row 1")


@pytest.mark.parametrize("importer", TABLES, ids=lambda each: each.name)
def test_people_have_the_names_and_roles_of_their_table(importer: Importer, tmp_path: Path) -> None:
    items = read(importer, tmp_path, "2024-01-01")
    (said,) = [
        item.event
        for item in items
        if isinstance(item, ImportedEvent) and item.event.get("text") == "Kept"
    ]
    assert said["participant_role"] == "agent"
    assert not [item for item in items if isinstance(item, Damage)]
