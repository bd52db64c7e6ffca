"""The name behind an id of Messenger, Instagram and LINE: what is asked, and what each answer means."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from ingest.channels.addresses import instagram_id, line_user, page_scoped_id
from ingest.channels.base import Account, Answer, ChannelAdapter, HttpRequest, Person, Retry
from ingest.channels.line.adapter import ADAPTER as LINE
from ingest.channels.meta.instagram import ADAPTER as INSTAGRAM
from ingest.channels.meta.messenger.adapter import ADAPTER as MESSENGER
from ingest.channels.name_lookup import PAUSE_SECONDS, REPAIR_SECONDS
from ingest.channels.registry import ADAPTERS, name_lookup
from ingest.channels.slack.adapter import ADAPTER as SLACK
from tests.channels import meta_calls
from tests.channels.stand_ins.line import LineApi, line_api
from tests.channels.stand_ins.meta import MetaStandIn, meta_stand_in

USER = "U" + "0" * 32
ADA = Person(
    addresses=(page_scoped_id("31", "900"), instagram_id("27", "900"), line_user(USER, "900"))
)
LINE_ACCOUNT = Account(
    account_id="a", provider="line", channel="line", address="900",
    secrets={"channel_access_token": ["an access token"]},
)  # fmt: skip


@pytest.fixture
def meta() -> Iterator[MetaStandIn]:
    with meta_stand_in() as found:
        yield found


@pytest.fixture
def line() -> Iterator[LineApi]:
    with line_api() as found:
        yield found


def ask(adapter: ChannelAdapter, account: Account, person: Person = ADA) -> str | Retry | None:
    lookup = name_lookup(adapter)
    assert lookup is not None
    request = lookup.name_request(person, account)
    assert request is not None
    return lookup.read_name(_get(request))


def _get(request: HttpRequest) -> Answer:
    assert (request.method, request.body) == ("GET", b"")
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"{url.path}?{url.query}".rstrip("?"), headers=dict(request.headers))
    response = connection.getresponse()
    answer = Answer(status=response.status, headers={}, body=response.read())
    connection.close()
    return answer


def test_messenger_gives_first_and_last_name(meta: MetaStandIn) -> None:
    account = meta_calls.account(MESSENGER, api_url=f"{meta.url}/messenger")
    meta.profiles["31"] = {"first_name": "Ada 漢", "last_name": "Lovelace", "name": "not asked for"}
    assert ask(MESSENGER, account) == "Ada 漢 Lovelace"
    meta.profiles["31"] = {"first_name": "Ada"}
    assert ask(MESSENGER, account) == "Ada"


def test_instagram_gives_the_name_or_that_of_the_account(meta: MetaStandIn) -> None:
    account = meta_calls.account(INSTAGRAM, api_url=f"{meta.url}/instagram")
    meta.profiles["27"] = {"name": "Ada", "username": "ada.l"}
    assert ask(INSTAGRAM, account) == "Ada"
    meta.profiles["27"] = {"username": "ada.l"}
    assert ask(INSTAGRAM, account) == "ada.l"


def test_who_did_not_consent_has_no_name_and_an_invalid_token_waits(meta: MetaStandIn) -> None:
    account = meta_calls.account(MESSENGER, api_url=f"{meta.url}/messenger")
    assert ask(MESSENGER, account) is None
    meta.token = "another"  # noqa: S105
    found = ask(MESSENGER, account)
    assert found == Retry("the access token is not valid (190)", PAUSE_SECONDS)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (4, Retry("the app's rate limit is reached (4)", 60)),
        (200, Retry("a permission is missing", REPAIR_SECONDS)),
        (100, None),
        (1, None),
    ],
)
def test_errors_of_the_app_pause_and_errors_of_the_person_do_not(
    code: int, expected: Retry | None
) -> None:
    body = msgspec.json.encode({"error": {"code": code}})
    assert MESSENGER.read_name(Answer(status=400, headers={}, body=body)) == expected


def test_line_gives_the_name_of_friends(line: LineApi) -> None:
    account = msgspec.structs.replace(LINE_ACCOUNT, options={"api_url": line.url})
    assert ask(LINE, account) is None
    line.friends[USER] = "Ada 漢"
    assert ask(LINE, account) == "Ada 漢"
    wrong = msgspec.structs.replace(account, secrets={"channel_access_token": ["wrong"]})
    assert ask(LINE, wrong) == Retry("the account may not ask for names", REPAIR_SECONDS)


@pytest.mark.parametrize("adapter", [SLACK, MESSENGER, INSTAGRAM, LINE], ids=lambda a: a.provider)
def test_without_an_id_or_a_token_nothing_is_asked(adapter: ChannelAdapter) -> None:
    lookup = name_lookup(adapter)
    assert lookup is not None
    account = msgspec.structs.replace(LINE_ACCOUNT, provider=adapter.provider)
    assert lookup.name_request(Person(addresses=()), account) is None
    bare = msgspec.structs.replace(account, secrets={})
    assert lookup.name_request(ADA, bare) is None


@pytest.mark.parametrize("adapter", [SLACK, MESSENGER, INSTAGRAM, LINE], ids=lambda a: a.provider)
@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":7}', b"<html>", b'{"user":[1],"ok":true}'])
def test_an_answer_without_a_name_gives_none(adapter: ChannelAdapter, body: bytes) -> None:
    lookup = name_lookup(adapter)
    assert lookup is not None
    for status in (200, 404, 500):
        assert lookup.read_name(Answer(status=status, headers={}, body=body)) is None


def test_providers_that_send_names_are_not_asked() -> None:
    asked = {each.provider for each in ADAPTERS.values() if name_lookup(each) is not None}
    assert asked == {"slack", "messenger", "instagram", "line"}
