"""Health, readiness and metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from ingest.api.dependencies import Context
from ingest.log.storage.state_reader import unreadable_states

router = APIRouter(tags=["operations"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Answer 200 while the process runs."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(api: Context, response: Response) -> dict[str, str]:
    """Answer 200 if the log accepts events, 503 and the reason if it does not.

    `detail` also says how many stored states could not be read since the start.
    """
    failure = api.writer.failure or api.writer.last_error
    if failure is None:
        repaired, lost = len(unreadable_states.repaired), len(unreadable_states.lost)
        if not repaired and not lost:
            return {"status": "ok"}
        detail = f"damaged states: {repaired} repaired, {lost} not; run `convolake verify`"
        return {"status": "ok", "detail": detail}
    response.status_code = 503
    return {"status": "failing", "detail": failure}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(api: Context) -> PlainTextResponse:
    """Return the counters in Prometheus' text format."""
    return PlainTextResponse(api.metrics.render(), media_type="text/plain; version=0.0.4")
