"""A failed fsync: it is unknown what is on disk, so no event is acknowledged until a restart reads it.

The kernel marks the pages of a failed fsync as clean: the next fsync succeeds and says nothing.
"""

import os
import signal
from collections.abc import Callable

import httpx2
import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import make_event
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import Found
from tests.faults.processes import has_child, open_conversations, running, writer_of
from tests.faults.tracing import needs_strace, traced
from tests.faults.writing import Writer

pytestmark = [needs_strace, pytest.mark.timeout(900)]

EVENTS = 30


def write_while_fsync_fails(
    settings: Settings,
    key: str,
    acknowledged: AcknowledgedEvents,
    when: str | None,
    variant: str | None = None,
) -> tuple[Writer, httpx2.Response]:
    """Start the API, write; the fsyncs `when` of strace fail (None: all succeed)."""
    options = ["-e", "trace=fsync,fdatasync"]
    if when is not None:
        options += ["-e", f"inject=fsync,fdatasync:error=EIO:when={when}"]
    with running(settings, variant=variant) as api:
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        with (
            traced(writer_of(api), settings.data.parent / "trace", *options),
            Writer(settings, key, acknowledged, prefix=when or "all") as writer,
        ):
            for _ in range(EVENTS):
                writer.write()
            ready = writer.readiness()
    return writer, ready


def send_again(settings: Settings, key: str, acknowledged: AcknowledgedEvents) -> None:
    """After a restart every rejected event is accepted, or was stored before."""
    events = [
        make_event(event_id=each, conversation_id="c0", text="hello")
        for each in sorted(acknowledged.unknown)
    ]
    with running(settings), Client(settings.url, key) as client:
        client.wait_until_ready()
        for result in client.record(events):
            for each in result.results:
                assert each.status in ("accepted", "duplicate")
                acknowledged.acknowledge(each.event_id or "", each.sequence or 0)
        acknowledged.unknown.clear()


@pytest.mark.fault("fsync error")
def test_after_a_failed_fsync_no_event_is_acknowledged_until_a_restart(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    late: list[int] = []
    ready: list[tuple[int, str]] = []
    once = ["1", "4", *map(str, range(5, 30, 3))]
    tries = [f"{number}{more}" for number in once[: cycles(2, 10)] for more in ("", "+")][1:-1]
    for when in tries:
        writer, answer = write_while_fsync_fails(settings, key, acknowledged, when)
        late.append(writer.accepted_after_the_first_refusal())
        ready.append((answer.status_code, answer.json().get("detail", "")))
        assert {each.status_code for each in writer.answers} <= {200, 201, 503}
    verdict = check(acknowledged, settings)
    note = f"the n-th fsync fails, once or from then on; {sum(late)} events acknowledged after it; /readyz answers {ready[0][0]}: “{ready[0][1]}”"
    found(cycles=len(tries), **verdict.figures(), note=note)
    assert verdict.ok, verdict
    assert verdict.unknown >= len(tries)
    assert sum(late) == 0
    assert all(status == 503 and "restart" in detail for status, detail in ready)
    send_again(settings, key, acknowledged)
    assert check(acknowledged, settings).ok


def test_the_end_of_the_writer_does_not_end_a_failure(settings: Settings) -> None:
    key = get_or_create_local_key(settings, wall_clock())
    acknowledged = AcknowledgedEvents()
    failing = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=1"]
    with running(settings) as api:
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        writer = writer_of(api)
        with Writer(settings, key, acknowledged) as client_of_one:
            with traced(writer, settings.data.parent / "trace", *failing):
                codes = [client_of_one.write().json()["code"] for _ in range(2)]
            os.kill(writer, signal.SIGKILL)
            wait_until(lambda: not has_child(api), 20, "the end of the writer")
            client_of_one.write_for(2)  # longer than a restart takes
            assert {each.status_code for each in client_of_one.answers} == {503}
            assert "restart" in client_of_one.readiness().json()["detail"]
    assert codes == ["outcome_unknown", "log_unavailable"]


@pytest.mark.control("fsync error")
def test_control_an_api_that_ignores_failed_commits_keeps_acknowledging(
    settings: Settings, found: Found
) -> None:
    key = get_or_create_local_key(settings, wall_clock())
    undisturbed, _ = write_while_fsync_fails(settings, key, AcknowledgedEvents(), None)
    accepted = sum(each.is_success for each in undisturbed.answers)
    acknowledged = AcknowledgedEvents()
    unsafe_variant, _ = write_while_fsync_fails(settings, key, acknowledged, "5", "careless")
    wrongly = sum(each.is_success for each in unsafe_variant.answers[5:])
    verdict = check(acknowledged, settings)
    found(
        loss=f"ignoring failed commits: {wrongly} acknowledged after a failed fsync, {verdict.lost} lost; "
        f"without the fault {accepted} of {EVENTS} acknowledged"
    )
    assert accepted == EVENTS
    assert wrongly > 0
