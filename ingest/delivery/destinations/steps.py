"""Requests of an adapter as the dispatcher sends them, with the steps before: files to fetch, and uploads."""

from collections.abc import Sequence
from functools import partial

from msgspec import structs

from ingest.channels import base as channels
from ingest.channels.base import (
    Account,
    Answer,
    FileRequest,
    HttpRequest,
    MailRequest,
    OutboundRequest,
    Unsendable,
    UploadRequest,
)
from ingest.channels.mail.email_mime import smtp_settings
from ingest.delivery.destinations.base import (
    Fetch,
    Mail,
    Prepared,
    Rejected,
    Request,
    Retry,
    Step,
    Upload,
)
from ingest.delivery.destinations.files import files_of
from ingest.egress.client import EgressResult
from ingest.egress.mail import MailServer

HTTP_TOO_MANY = 429


def prepared(request: OutboundRequest, account: Account) -> Prepared:
    """Return a request of an adapter as the dispatcher sends it."""
    match request:
        case HttpRequest():
            return _http(request)
        case MailRequest():
            server = MailServer(**structs.asdict(smtp_settings(account)))
            return Mail(server, request.sender, request.recipients, request.content)
        case FileRequest():
            urls = [each.url or "" for each in request.attachments]
            return Fetch(urls, partial(_with_files, request, account))
        case UploadRequest():
            return Upload(_http(request.request), partial(_after_upload, request, account))


def _http(request: HttpRequest) -> Request:
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    return Request(request.url, headers, request.body, request.method, needs_body=True)


def _with_files(request: FileRequest, account: Account, results: Sequence[EgressResult]) -> Step:
    files = files_of(request.attachments, results)
    if isinstance(files, Retry | Rejected):
        return files
    built = request.build(files)
    if isinstance(built, Unsendable):
        return Rejected(built.reason, built.code)
    return prepared(built, account)


def _after_upload(request: UploadRequest, account: Account, result: EgressResult) -> Step:
    if result.status is None:
        return Retry(f"a file was not uploaded: {result.error}")
    answer = Answer(status=result.status, headers=result.headers, body=result.body)
    match request.then(answer):
        case channels.Retry(reason, after):
            return Retry(reason, after, is_throttled=result.status == HTTP_TOO_MANY)
        case channels.Rejected(reason, code):
            return Rejected(reason, code)
        case following:
            return prepared(following, account)
