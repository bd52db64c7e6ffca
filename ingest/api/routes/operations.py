"""Health, readiness and metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from ingest.api.dependencies import Context

router = APIRouter(tags=["operations"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Answer 200 while the process runs."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(api: Context, response: Response) -> dict[str, str]:
    """Answer 200 if the log accepts events, 503 and the reason if it does not."""
    failure = api.writer.failure or api.writer.last_error
    if failure is None:
        return {"status": "ok"}
    response.status_code = 503
    return {"status": "failing", "detail": failure}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(api: Context) -> PlainTextResponse:
    """Return the counters in Prometheus' text format."""
    return PlainTextResponse(api.metrics.render(), media_type="text/plain; version=0.0.4")
