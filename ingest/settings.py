"""Every setting, read from the environment (prefix `CONVOLAKE_`) on demand, never at import."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["viewer", "reviewer", "analyst", "admin"]
"""Role of a user of the dashboard: each may do what the one before it may, and more."""

NAMELESS_ZONES = {"localtime", "posixrules", "Factory"}
"""Files of the time zone database that name no zone; DuckDB does not know them."""


class Settings(BaseSettings):
    """One installation's settings; `docs/reference.md` is printed from here."""

    model_config = SettingsConfigDict(env_prefix="CONVOLAKE_", extra="ignore", frozen=True)

    data: Path = Field(Path("data"), description="Data folder.")
    store_url: str | None = Field(
        None,
        description="The log's store, `postgresql://…` for several API processes (extra `postgres`); "
        "`log.sqlite` in the data folder if unset.",
    )
    shard: int = Field(0, ge=0, le=32767, description="Number of this log; one by default.")
    host: str = Field("127.0.0.1", description="Address the servers listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the conversation API.")
    dagster_port: int = Field(3000, ge=1, le=65535, description="Port of the Dagster pages.")
    dashboard_port: int = Field(8501, ge=1, le=65535, description="Port of the dashboard.")
    dashboard_host: str | None = Field(
        None,
        description="Address the dashboard listens on, HOST if unset. Beyond this machine it needs a sign-in.",
    )
    dashboard_url: str | None = Field(
        None,
        description="Where browsers find the dashboard, for the sign-in; `http://HOST:PORT` of it if unset.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="URL of the OpenID Connect provider by which users sign in to the dashboard; unset: one local user, "
        "on this machine only.",
    )
    oidc_client_id: str | None = Field(
        None, description="Client id of the dashboard at the provider."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="Client secret of the dashboard at the provider."
    )
    oidc_cookie_secret: SecretStr | None = Field(
        None,
        description="Secret that signs the cookies of users who are signed in; if unset, a restart signs all out.",
    )
    oidc_scopes: str = Field(
        "openid email profile",
        description="Scopes that the sign-in asks for; some providers need `groups` for groups.",
    )
    oidc_claim: str = Field(
        "email",
        description="The claim that gives a user a role, such as `email`, `groups` or `roles`.",
    )
    oidc_roles: dict[str, Role] = Field(
        {},
        description="Roles by value of the claim, as JSON; with several the highest counts, without one the user sees nothing.",
    )
    api_url: str | None = Field(
        None,
        description="Where clients find the API; `http://HOST:PORT` of this installation if unset.",
    )
    api_key: SecretStr | None = Field(
        None,
        description="API key that clients send; with a local data folder they create one if unset.",
    )
    token_secret: SecretStr | None = Field(
        None,
        description="Secret that signs user tokens; created in the data folder if unset.",
    )
    allowed_origins: Annotated[set[str], NoDecode] = Field(
        set(),
        description="Origins of web pages (https://shop.example) that may open WebSockets; the API's own always may.",
    )
    chat: bool = Field(
        False, description="Whether visitors may open conversations at /chat, as in the demo."
    )
    chat_bot: str = Field("assistant", description="The bot in conversations that /chat opens.")
    requests_per_second: int = Field(
        0,
        ge=0,
        description="Maximum requests per second of each API key at each API process, with bursts of ten times as many; 0: no "
        "limit.",
    )
    user_requests_per_second: int = Field(
        20,
        ge=0,
        description="Maximum requests per second of each user with a token, and of each visitor, at each API process; 0: no limit.",
    )
    webhook_networks: Annotated[set[IPvAnyNetwork], NoDecode] = Field(
        set(),
        description="Private networks (10.0.0.0/8) that webhooks may go to, also over plain http.",
    )
    attachment_networks: Annotated[set[IPvAnyNetwork], NoDecode] = Field(
        set(),
        description="Private networks that files of messages may be fetched from, also over plain http. Who may write a "
        "message chooses the address, and the customer gets the file.",
    )
    secret_keys: SecretStr | None = Field(
        None,
        description="Keys that encrypt the secrets of channel accounts, webhooks and hooks: Fernet keys, the newest first, "
        "separated by commas. If unset, the file `secret.keys` in the data folder, which is made on demand.",
    )
    public_url: str | None = Field(
        None,
        description="Where providers find the API, `https://…`; some of them sign it. If unset, what the request says.",
    )
    channel_calls_kept: timedelta = Field(
        timedelta(days=30),
        description="Time for which the raw calls of providers are kept.",
    )
    otlp_settle: timedelta = Field(
        timedelta(seconds=5),
        ge=timedelta(0),
        description="Time without a further span of OpenTelemetry after which a conversation's spans become events; "
        "twelve times as long while the root of a trace is missing.",
    )
    bot_timeout_seconds: float = Field(
        30.0,
        gt=0,
        description="Seconds after which a bot whose webhook did not accept a customer's message has failed its turn.",
    )
    session_timeouts: dict[str, timedelta] = Field(
        {
            "": timedelta(days=1),
            "web": timedelta(minutes=30),
            "api": timedelta(minutes=30),
            "email": timedelta(days=3),
        },
        description='Time without a message after which a session ends, by channel ("" is all others).',
    )
    session_roles: Annotated[set[Literal["customer", "bot", "agent", "system"]], NoDecode] = Field(
        {"customer", "bot", "agent"}, description="Roles whose messages keep a session open."
    )
    session_max_duration: timedelta = Field(
        timedelta(days=7), description="Maximum length of a session."
    )
    session_inherits_attributes: bool = Field(
        False, description="Whether the next session inherits a session's attributes."
    )
    inactive_after: timedelta | None = Field(
        None,
        description="Time without a message after which a conversation is inactive; unset: never.",
    )
    closed_after: timedelta | None = Field(
        None,
        description="Time without a message after which a conversation is closed; unset: never.",
    )
    handoff_expires_after: timedelta = Field(
        timedelta(days=3), description="Time after which a handoff that no agent accepted expires."
    )
    handoff_reasons: Annotated[set[str], NoDecode] = Field(
        set(), description="Allowed reasons of a handoff command; empty: any."
    )
    agent_left_to: Literal["queue", "bot"] = Field(
        "queue",
        description="Where a handoff goes when its agent leaves; without a bot in the conversation always to the queue.",
    )
    agent_disconnected_after: timedelta | None = Field(
        None,
        description="Time without a WebSocket after which the agent in control counts as gone, as if they had left; unset: never. Set it only if every agent listens with a token.",
    )
    review_lock_expires_after: timedelta = Field(
        timedelta(minutes=15),
        gt=timedelta(0),
        description="Time for which a reviewer holds a conversation of a sample; claiming again prolongs it.",
    )
    parked_ttl: timedelta = Field(
        timedelta(days=1),
        description="Maximum time that a receipt, an edit or a reaction waits for its message.",
    )
    store_typing: bool = Field(False, description="Whether typing events are stored in the log.")
    writer: Literal["process", "thread"] = Field(
        "process",
        description="Where events are committed to the log: in a process of its own, or in a thread of the API's.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Number of API processes that share the port and the writer of a log in SQLite. With PostgreSQL, run "
        "`convolake serve --no-lake` several times instead.",
    )
    commit_events: int = Field(
        4096, ge=1, description="Maximum events in one commit of the log; a batch is never split."
    )
    queue_events: int = Field(
        50_000,
        ge=1,
        description="Maximum events waiting for a commit, at each API process; beyond it the API answers 503.",
    )
    seal_rows: int = Field(
        50_000, ge=1, description="Maximum rows of a Parquet segment before it is sealed."
    )
    seal_seconds: float = Field(
        15.0, gt=0, description="Maximum age of the first event before a Parquet segment is sealed."
    )
    snapshot_days: int = Field(
        7,
        ge=1,
        description="Days for which the last state of each day of the warehouse can be read.",
    )
    reporting_zone: str = Field(
        "UTC", description="Time zone of every `_on` date; changing it rebuilds the warehouse."
    )

    business_hours: Path | None = Field(
        None,
        description="TOML file of the business hours (see the guide); if unset, durations in business hours are missing.",
    )

    @field_validator(
        "allowed_origins",
        "webhook_networks",
        "attachment_networks",
        "session_roles",
        "handoff_reasons",
        mode="before",
    )
    @classmethod
    def _split_list(cls, given: object) -> object:
        """Accept `a,b` and the JSON list `["a", "b"]`."""
        if not isinstance(given, str):
            return given
        if not given.lstrip().startswith("["):
            return {part.strip() for part in given.split(",") if part.strip()}
        try:
            return json.loads(given)
        except ValueError as error:
            raise ValueError('give a list as a,b or as JSON: ["a", "b"]') from error

    @field_validator("session_timeouts")
    @classmethod
    def _is_complete(cls, spans: dict[str, timedelta]) -> dict[str, timedelta]:
        if any(span < timedelta(minutes=1) for span in spans.values()):
            raise ValueError("a session lasts at least a minute")
        return {"": timedelta(days=1), **spans}

    @field_validator("store_url")
    @classmethod
    def _is_database(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError(
                "postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///PATH; "
                "unset it for the data folder's own"
            )
        return url

    @field_validator("reporting_zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("not a time zone; give a name such as Europe/Berlin") from error
        if zone in NAMELESS_ZONES:
            raise ValueError(
                "not the same zone on every machine; give a name such as Europe/Berlin"
            )
        return zone

    @field_validator("workers")
    @classmethod
    def _can_share_a_writer(cls, workers: int, info: ValidationInfo) -> int:
        if workers > 1 and str(info.data.get("store_url")).startswith("postgresql://"):
            raise ValueError(
                "workers share a log in SQLite; with PostgreSQL, run `convolake serve --no-lake` several times"
            )
        if workers > 1 and info.data.get("writer") == "thread":
            raise ValueError("several workers need the writer in a process: unset CONVOLAKE_WRITER")
        return workers

    @property
    def database_url(self) -> str:
        """The store's SQLAlchemy URL."""
        return self.store_url or f"sqlite:///{self.data / 'log.sqlite'}"

    @property
    def store_path(self) -> Path:
        """The SQLite file of the store."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def lock_path(self) -> Path:
        """Lock file of the one process that writes the log."""
        return self.data / "log.lock"

    @property
    def leader_lock_path(self) -> Path:
        """Lock file of the one API process that delivers, among several that share a writer."""
        return self.data / "leader.lock"

    @property
    def local_key_path(self) -> Path:
        """The API key that clients on this machine created (mode 600)."""
        return self.data / "local.key"

    @property
    def token_secret_path(self) -> Path:
        """The secret that signs user tokens (mode 600)."""
        return self.data / "token.secret"

    @property
    def secret_keys_path(self) -> Path:
        """The keys that encrypt secrets, one a line, the newest first (mode 600)."""
        return self.data / "secret.keys"

    @property
    def dashboard_address(self) -> str:
        """Address the dashboard listens on."""
        return self.dashboard_host or self.host

    @property
    def has_sign_in(self) -> bool:
        """Whether users sign in to the dashboard. Already one of the settings counts, so that a forgotten one opens nothing."""
        return any((self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret))

    @property
    def sign_in_path(self) -> Path:
        """The settings of the sign-in for the dashboard's server, with their secrets (mode 600)."""
        return self.data / "sign-in.toml"

    @property
    def verify_path(self) -> Path:
        """The result of the last `convolake verify`, as JSON."""
        return self.data / "verify.json"

    @property
    def lake_path(self) -> Path:
        """Folder of the Parquet segments and their manifest."""
        return self.data / "lake"

    @property
    def warehouse_path(self) -> Path:
        """Folder of the DuckLake catalog and its files; derived, may be deleted."""
        return self.data / "warehouse"

    @property
    def dagster_path(self) -> Path:
        """Dagster's home: its runs and ticks."""
        return self.data / "dagster"

    @property
    def url(self) -> str:
        """Base URL of the API for clients."""
        return self.api_url or self.local_url

    @property
    def local_url(self) -> str:
        """URL of this installation's own API."""
        return f"http://{self.host}:{self.port}"
