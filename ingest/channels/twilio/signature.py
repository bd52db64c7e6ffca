"""Twilio's signatures. Sources: twilio.com/docs/usage/security, and the SharedKey beta of 2026.

A form is signed as the URL and every name and value, a JSON body as the URL, which has the body's SHA-256.
The URL is the one that Twilio called: a proxy may hide it, so the option `webhook_url` counts too.
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit

from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import Account, Call, InvalidSignatureError, UnreadableCallError
from ingest.channels.fields import FORM, form_pairs, is_form
from ingest.channels.signatures import check_equal

HEADER = "x-twilio-signature"
SETTINGS = "x-twilio-webhooks-signature-settings"
DEFAULT_URL = "https://localhost/"
"""What `sign` calls if the account has no `webhook_url`."""

_DIGESTS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}

Params = Mapping[str, Sequence[str]]


def verify(call: Call, account: Account) -> None:
    """Check a call's signature with each of the account's secrets. Raises InvalidSignatureError."""
    try:
        params, urls = _signed_params(call), list(_urls(call, account))
    except (UnreadableCallError, ValueError):
        raise InvalidSignatureError("the call is not one that Twilio signs") from None
    digest, secrets = _scheme(call.headers.get(SETTINGS, ""), account)
    given = call.headers.get(HEADER, "")
    expected = [signature(secret, url, params, digest) for url in urls for secret in secrets]
    reason = "X-Twilio-Signature fits neither the secrets nor the URL of the account"
    check_equal(given, expected, reason)


def sign(body: bytes, content_type: str, account: Account) -> Call:
    """Return a POST of a body to the account's `webhook_url`, with the signature of its newest auth token."""
    url = account.options.get("webhook_url") or DEFAULT_URL
    if not content_type.lower().startswith(FORM):
        url = _with_query(url, bodySHA256=hashlib.sha256(body).hexdigest())
    headers = {"content-type": content_type}
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    call = Call(method="POST", url=url, headers=headers, query=query, body=body)
    token = newest_secret(account, "auth_token")
    headers[HEADER] = signature(token, url, _signed_params(call), "sha1")
    return call


def signature(secret: str, url: str, params: Params, digest: str) -> str:
    """Return the signature of a URL and the fields of a form, in Base64."""
    fields = (name + value for name in sorted(params) for value in sorted(set(params[name])))
    signed = (url + "".join(fields)).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(secret.encode(), signed, digest)).decode()


def _scheme(settings: str, account: Account) -> tuple[str, Sequence[str]]:
    """Return digest and secrets for a settings header such as `key=…,algorithm=HMAC_SHA256`."""
    pairs = (part.partition("=") for part in settings.split(","))
    names = {name.strip(): value.strip() for name, _, value in pairs if value.strip()}
    digest = _DIGESTS.get(names.get("algorithm", "HMAC_SHA1").upper())
    if digest is None:
        raise InvalidSignatureError("the signature's algorithm is not known")
    return digest, secrets_of(account, "shared_key" if "key" in names else "auth_token")


def _signed_params(call: Call) -> Params:
    """Return the fields that the signature covers. Raises UnreadableCallError or ValueError."""
    if call.method == "GET":
        return {}
    if is_form(call):
        params = defaultdict(list)
        for name, value in form_pairs(call):
            params[name].append(value)
        return params
    hashes = parse_qs(urlsplit(call.url).query).get("bodySHA256")
    if hashes is None and not call.body:
        return {}
    actual = hashlib.sha256(call.body).hexdigest()
    if hashes is None or not hmac.compare_digest(hashes[0].encode(), actual.encode()):
        raise ValueError("the URL does not have the hash of the body")
    return {}


def _urls(call: Call, account: Account) -> Iterator[str]:
    """Yield the URLs that may be signed: the called and the configured one, with and without a port."""
    called = urlsplit(call.url)
    configured = urlsplit(account.options.get("webhook_url", ""))
    for url in (
        (called, configured._replace(query=called.query)) if configured.netloc else (called,)
    ):
        yield url._replace(netloc=_host(url)).geturl()
        yield _with_port(url).geturl()


def _with_port(url: SplitResult) -> SplitResult:
    if url.port:
        return url
    return url._replace(netloc=f"{url.netloc}:{443 if url.scheme == 'https' else 80}")


def _host(url: SplitResult) -> str:
    """Return host without port, as Twilio's own library does."""
    return url.netloc.split(":")[0] if url.port else url.netloc


def _with_query(url: str, **values: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values)}"
