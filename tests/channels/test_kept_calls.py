"""Calls are kept byte for byte, whatever their size."""

import zlib

import pytest

from ingest.accounts.channel_calls import SHORT_BODY_BYTES, prepare_call
from ingest.channels.base import Call


@pytest.mark.parametrize(
    "size", [0, 1, SHORT_BODY_BYTES - 1, SHORT_BODY_BYTES, SHORT_BODY_BYTES + 1, 100_000]
)
@pytest.mark.parametrize("text", [b"a", bytes(range(256)), "漢字 🙂".encode()])
def test_a_body_is_kept_byte_for_byte(size: int, text: bytes) -> None:
    body = (text * (size // len(text) + 1))[:size]
    call = Call(method="POST", url="", headers={}, query={}, body=body)
    kept = prepare_call("c1", "shop", 1, call)
    assert zlib.decompress(kept["body"]) == body
    assert kept["size"] == size


def test_no_header_with_a_credential_or_a_signature_is_kept() -> None:
    headers = {"authorization": "Bearer x", "webhook-signature": "v1,x", "webhook-id": "m1"}
    call = Call(method="POST", url="", headers=headers, query={"a": "b"}, body=b"{}")
    kept = prepare_call("c1", "shop", 1, call)
    assert (kept["headers"], kept["query"]) == ('{"webhook-id":"m1"}', '{"a":"b"}')
