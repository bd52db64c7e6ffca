"""Channel accounts: made by API and command, with secrets that are stored encrypted and never shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from convolake.cli import app
from ingest.accounts.registry import get_account, open_secrets
from ingest.accounts.secret_box import InvalidKeyError, SecretBox, new_key
from ingest.accounts.stored_secrets import reseal_stored_secrets
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.auth.secret_keys import add_key, open_secret_box
from ingest.errors import UnreadableSecretError
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import Installation, run_server, wait_until
from tests.channels.conftest import SECRET, Shop, create_account, message
from tests.factories import Clock, Ids, damage
from tests.webhook_receiver import Receiver

OTHER = "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldCBvdGhlcg=="


@pytest.mark.sqlite
def test_a_secret_is_encrypted_in_the_store_and_never_shown(shop: Shop) -> None:
    http = shop.installation.http
    shown = http.get("/v1/channels/shop").text + http.get("/v1/channels").text
    assert "whsec" not in shown
    assert http.get("/v1/channels/shop").json()["secrets"] == {"signing_secret": 1}
    stored = Path(shop.installation.settings.store_path).read_bytes()
    wal = Path(f"{shop.installation.settings.store_path}-wal").read_bytes()
    assert SECRET.encode() not in stored + wal


def test_the_answer_has_the_url_for_the_provider(installation: Installation) -> None:
    made = create_account(installation).json()
    assert made["url"] == f"{installation.url}/channels/shop"
    assert made["policy"]["send"] == "at_most_once"
    assert made["channel"] == "api"


@pytest.mark.parametrize(
    ("over", "status", "field"),
    [
        ({"provider": "fax"}, 422, "body.provider"),
        ({"secrets": {}}, 422, "body.secrets"),
        ({"secrets": {"signing_secret": SECRET, "other": "x"}}, 422, "body.secrets"),
        ({"options": {"other": "x"}}, 422, "body.options"),
        ({"channel": "fax"}, 422, "body.channel"),
        ({"account_id": "a.b"}, 422, "body.account_id"),
        ({"policy": {"send": "sometimes"}}, 422, "body.policy.send"),
    ],
)
def test_an_account_that_no_provider_has_is_not_made(
    installation: Installation, over: dict[str, Any], status: int, field: str
) -> None:
    answer = create_account(installation, **over)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert SECRET not in answer.text


def test_an_account_id_is_used_once(shop: Shop) -> None:
    again = create_account(shop.installation)
    assert (again.status_code, again.json()["code"]) == (409, "account_exists")


def test_managing_accounts_needs_its_scope(shop: Shop) -> None:
    engine = open_engine(shop.installation.settings.database_url)
    key = create_key(engine, "bot", shop.installation.clock(), Grant(frozenset({"webhooks:admin"})))
    engine.dispose()
    headers = {"authorization": f"Bearer {key}"}
    assert shop.installation.http.get("/v1/channels", headers=headers).status_code == 403


def test_both_secrets_are_valid_while_one_replaces_the_other(shop: Shop) -> None:
    def post(secret: str) -> int:
        body = json.dumps({"items": []}).encode()
        headers = shop.sign(body, secret)
        return int(
            shop.installation.http.post(shop.path, content=body, headers=headers).status_code
        )

    def set_secret(**over: Any) -> None:
        answer = shop.installation.post(
            "/v1/channels/shop/secrets", {"name": "signing_secret", "value": OTHER} | over
        )
        assert answer.status_code == 200, answer.text

    assert (post(SECRET), post(OTHER)) == (200, 401)
    set_secret()
    assert (post(SECRET), post(OTHER)) == (200, 200)
    set_secret(keeps_old=False)
    assert (post(SECRET), post(OTHER)) == (401, 200)


def test_options_and_policy_can_be_changed(shop: Shop) -> None:
    body = {"options": {"url": "https://shop.example"}, "policy": {"binding": "contact"}}
    answer = shop.installation.http.patch("/v1/channels/shop", json=body).json()
    assert answer["options"] == {"url": "https://shop.example"}
    assert answer["policy"]["binding"] == "contact"


@pytest.mark.parametrize(
    "policy",
    [
        {"new_conversation_after": False},
        {"new_conversation_after": "60"},
        {"automatic_replies_per_hour": True},
        {"requests_per_second": True},
    ],
)
def test_a_number_of_a_policy_is_a_number(shop: Shop, policy: dict[str, Any]) -> None:
    answer = shop.installation.http.patch("/v1/channels/shop", json={"policy": policy})
    assert (answer.status_code, answer.json()["field"]) == (
        422,
        f"body.policy.{next(iter(policy))}",
    )
    numbers = {"requests_per_second": 2, "new_conversation_after": 60}
    answer = shop.installation.http.patch("/v1/channels/shop", json={"policy": numbers})
    assert answer.status_code == 200, answer.text


def test_a_removed_account_is_gone_and_its_events_stay(shop: Shop) -> None:
    shop.send(message())
    assert shop.installation.http.delete("/v1/channels/shop").status_code == 200
    assert shop.installation.http.get("/v1/channels/shop").status_code == 404
    assert shop.post(b'{"items": []}').status_code == 404
    assert len(shop.types()) > 1


def serve(settings: Settings, clock: Clock) -> Any:
    return run_server(FastPathMiddleware(create_app(settings, clock, Ids())))


def test_a_lost_key_is_a_clear_error_of_what_needs_it_alone(
    settings: Settings, clock: Clock
) -> None:
    with serve(settings, clock) as url:
        key = get_or_create_local_key(settings, clock())
        with Installation(url, key, settings, clock).http as http:
            installation = Installation(url, key, settings, clock)
            assert create_account(installation).status_code == 201
            installation.http.close()
            assert http.get("/v1/channels/shop").status_code == 200
    settings.secret_keys_path.unlink()
    with serve(settings, clock) as url, Installation(url, key, settings, clock).http as http:
        shop = Shop(Installation(url, key, settings, clock))
        answer = shop.post(b'{"items": []}')
        assert (answer.status_code, answer.json()["code"]) == (503, "unreadable_secret")
        assert http.get("/v1/channels/shop").json()["secrets"] is None
        assert http.get("/v1/conversations").status_code == 200
        body = {"name": "signing_secret", "value": SECRET, "keeps_old": False}
        assert http.post("/v1/channels/shop/secrets", json=body).status_code == 200
        assert shop.post(b'{"items": []}').status_code == 200
        shop.installation.http.close()


@pytest.mark.allows_loopback
def test_secrets_that_an_older_version_stored_are_encrypted_at_start(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    with serve(settings, clock) as url:
        key = get_or_create_local_key(settings, clock())
        installation = Installation(url, key, settings, clock)
        made = installation.post("/v1/webhooks", {"url": receiver.url}).json()
        installation.http.close()
    damage(settings, f"update webhooks set secret = '{made['secret']}'")
    with serve(settings, clock) as url:
        installation = Installation(url, key, settings, clock)
        installation.post_events(
            [{"event_type": "conversation.created", "conversation_id": "c1", "channel": "api"}]
        )
        wait_until(lambda: receiver.accepted, 10, "a delivery")
        installation.http.close()
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        secret = connection.exec_driver_sql("select secret from webhooks").scalar_one()
    engine.dispose()
    assert secret.startswith("fernet:")
    assert open_secret_box(settings).open(secret) == made["secret"]


def test_a_new_key_encrypts_all_secrets_and_a_running_api_reads_it(shop: Shop) -> None:
    settings = shop.installation.settings
    engine = open_engine(settings.database_url)
    before = get_account(engine, "shop")
    assert reseal_stored_secrets(engine, add_key(settings)) == (1, 0)
    after = get_account(engine, "shop")
    assert before is not None
    assert after is not None
    assert before.secrets != after.secrets
    newest = settings.secret_keys_path.read_text().splitlines()[0]
    assert open_secrets(SecretBox([newest]), after) == {"signing_secret": [SECRET]}
    shop.installation.clock.forward(seconds=10)  # the account is read again
    assert shop.post(b'{"items": []}').status_code == 200
    engine.dispose()


def test_the_key_file_is_private_and_a_setting_replaces_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    sealed = open_secret_box(settings).seal("word")
    assert settings.secret_keys_path.stat().st_mode & 0o777 == 0o600
    other = Settings(data=tmp_path, secret_keys=SecretStr(new_key()))
    with pytest.raises(UnreadableSecretError):
        open_secret_box(other).open(sealed)
    both = f"{new_key()}, {settings.secret_keys_path.read_text().strip()}"
    assert (
        open_secret_box(Settings(data=tmp_path, secret_keys=SecretStr(both))).open(sealed) == "word"
    )


def test_a_key_of_another_form_is_reported() -> None:
    with pytest.raises(InvalidKeyError, match="new-key"):
        SecretBox(["short"])


def test_one_changed_character_of_an_encrypted_secret_is_noticed() -> None:
    box = SecretBox([new_key()])
    sealed = box.seal("word")
    with pytest.raises(UnreadableSecretError):
        box.open(sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:])


def run(shop: Shop, monkeypatch: pytest.MonkeyPatch, *words: str, **secrets: str) -> str:
    environment = shop.installation.environment | {
        "CONVOLAKE_DATA": str(shop.installation.settings.data),
        "CONVOLAKE_STORE_URL": shop.installation.settings.database_url,
    }
    for name, value in (environment | secrets).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_make_show_follow_and_remove_an_account(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"CONVOLAKE_SECRET_SIGNING_SECRET": OTHER, "CONVOLAKE_SECRET_SENDING_SECRET": ""}
    made = run(
        shop, monkeypatch, "channels", "add", "webhook", "web.example", "--account", "web",
        "--option", "url=https://web.example", **secret,
    )  # fmt: skip
    assert f"{shop.installation.url}/channels/web" in made
    assert "web.example" in run(shop, monkeypatch, "channels", "list")
    shown = run(shop, monkeypatch, "channels", "show", "web")
    assert "https://web.example" in shown
    assert OTHER not in made + shown
    run(shop, monkeypatch, "channels", "rotate", "web", "signing_secret", **secret)
    for word in ("disable", "enable", "remove"):
        run(shop, monkeypatch, "channels", word, "web")
    assert "web.example" not in run(shop, monkeypatch, "channels", "list")


def test_the_test_command_shows_calls_and_why_one_was_not_verified(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(message())
    assert shop.post(b"{}", **{"webhook-timestamp": "1"}).status_code == 401
    wait_until(lambda: shop.calls()["unverified"], 5, "the count")
    shown = run(shop, monkeypatch, "channels", "test", "shop", "--seconds", "0")
    assert f"{shop.installation.url}/channels/shop" in shown
    assert "accepted" in shown
    assert "1 not verified: the timestamp is more than 5 minutes away from now" in shown


def test_recorded_calls_are_sent_signed_and_each_outcome_is_printed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("convolake.call_sender.wall_clock", shop.installation.clock)
    calls = tmp_path / "calls"
    calls.mkdir()
    one, two = ({"items": [message(n)]} for n in (1, 2))
    (calls / "a.json").write_text(json.dumps(one))
    (calls / "b.json").write_text(json.dumps({"first": one, "second": two}))
    (calls / "c.txt").write_bytes(
        b"POST /hook HTTP/1.1\r\nContent-Type: application/json\r\n\r\nno json"
    )
    (calls / "d.json").write_text(json.dumps({"items": [message(3), {}]}))
    shown = run(shop, monkeypatch, "replay", "webhook", str(calls), "--account", "shop")
    assert "a.json: 4 accepted" in shown
    assert "b.json#first: 1 duplicate" in shown
    assert "b.json#second: 1 accepted" in shown
    assert "c.txt: 1 rejected; unreadable_call" in shown
    assert "5 calls: 1 in part, 1 rejected, 3 taken" in shown
