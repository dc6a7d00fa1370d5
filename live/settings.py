"""Every setting, read once from LIVE_* environment variables, then frozen; other modules are handed values."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from live.errors import SettingsError
from live.model import RANK, Language, Role


class Settings(BaseSettings):
    """The settings of one `live` process; each field is the environment variable LIVE_<NAME>.

    Raises (through `read`):
        SettingsError: a variable has a value that does not fit.
    """

    model_config = SettingsConfigDict(env_prefix="LIVE_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    workers: int = Field(1, ge=1, le=256, description="Server processes that share the port.")
    redis_url: str | None = Field(
        None,
        description="Redis 7 or Valkey server: redis://, rediss://, unix://, redis+sentinel://, redis+cluster://; "
        "without it, the embedded one.",
    )
    data_dir: Path = Field(Path("data"), description="Where the embedded server keeps its files.")
    site: str = Field("main", pattern=r"^[a-z0-9-]{1,40}$", description="Name of the site among the server's keys.")
    site_name: str = Field("Live", min_length=1, max_length=80, description="Name of the site on its pages.")
    language: Language = Field("en", description="Language of the site, and of stories that name none, a BCP 47 tag.")
    public_url: str | None = Field(
        None, pattern=r"(?i)^https?://[^/\s?#]+/?$",
        description="Address that readers know the site by, https://news.example: for feeds, sitemaps and previews.",
    )  # fmt: skip
    retention: int = Field(100_000, ge=10, description="Entries that the journal's log keeps; stories stay.")
    ring: int = Field(1_000, ge=1, description="Recent entries that each process keeps in memory for resuming readers.")
    durability: Literal["auto", "fsync", "replica", "memory"] = Field(
        "auto",
        description="What a 201 waits for: auto, fsync where the server has it; fsync, always; "
        "replica, auto and a copy; memory, nothing.",
    )
    tick_seconds: float = Field(15.0, ge=0.1, le=300, description="Seconds between two ticks (heartbeats) to readers.")
    receipt_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Least seconds between pings that prove what arrived at readers, longer for large crowds; 0: none.",
    )
    reader_queue_bytes: int = Field(262_144, ge=4_096, description="What may wait for one slow reader, in bytes.")
    max_body_bytes: int = Field(262_144, ge=1_024, description="Largest request body, in bytes.")
    body_seconds: float = Field(30.0, gt=0, description="Seconds within which a request's body must be here.")
    max_header_bytes: int = Field(32_768, ge=1_024, description="Largest head of a request, in bytes.")
    max_url_bytes: int = Field(8_192, ge=256, description="Longest address of a request, in bytes.")
    header_seconds: float = Field(10.0, gt=0, description="Seconds within which a request's head must be here.")
    max_connections: int = Field(
        100_000, ge=0, description="Connections of one process, as far as it may open files; 0 for any number."
    )
    max_connections_per_address: int = Field(
        2_000,
        ge=0,
        description="Connections of a process to one address, but for streams and trusted proxies; 0 for any number.",
    )
    max_streams_per_address: int = Field(
        2_000, ge=0, description="Streams of one process to one address, trusted proxies excepted; 0 for any number."
    )
    streams_per_second: float = Field(
        5_000, ge=0, description="New streams of one process a second, four times as many at once; 0 for any number."
    )
    api_requests_per_minute: int = Field(
        6_000, ge=0, description="API requests of one token or person a minute, in one process; 0 for any number."
    )
    cache_bytes: int = Field(
        134_217_728, ge=1_048_576, description="What each process keeps of pages, feeds and polls, in bytes."
    )
    max_topics: int = Field(20, ge=1, description="Topics that one reader may follow.")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Other sites whose pages may open the stream and embed stories, separated by commas; * allows all.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-* headers count, separated by commas; * trusts all."
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        le=600,
        description="Seconds within which a stopping server has sent its readers away and is gone; at least 5.",
    )
    drain_rate: float = Field(
        2_000, gt=0, description="Readers a second that a stopping server sends away, if they are through in time."
    )
    log_format: Literal["text", "json"] = Field("text", description="Lines of the log: text, or json, an object each.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least important lines of the log: debug, info (each request), warning, error."
    )
    otel_endpoint: str | None = Field(
        None, description="OpenTelemetry collector (OTLP over HTTP) that gets traces of posts, by its address."
    )
    metrics_allowed: str = Field(
        "127.0.0.1,::1", description="Addresses and networks that may read /metrics without an admin's token."
    )
    session_hours: float = Field(
        12.0, gt=0, le=168, description="Hours without a request after which a session at the desk ends."
    )
    oidc_issuer: str | None = Field(
        None, pattern=r"^(https://[^\s?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?)$",
        description="OpenID Connect provider that editors sign in with, by its issuer's address.",
    )  # fmt: skip
    oidc_client_id: str | None = Field(None, description="Name under which that provider knows this site.")
    oidc_client_secret: str | None = Field(None, repr=False, description="Secret that goes with it, if there is one.")
    oidc_role_claim: str = Field(
        "roles", min_length=1, description="Claim that lists a person's groups; `realm_access.roles` goes deeper."
    )
    oidc_roles: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Roles of those groups, separated by commas: news-admin=admin,news-editor=editor."
    )
    url: str | None = Field(None, description="Server that `live post` and `live demo` talk to.")
    token: str | None = Field(None, repr=False, description="Token that `live post` and `live demo` use.")
    demo: bool = Field(False, description="Fill an empty site with demo stories at the start.")

    @field_validator("allowed_origins", "oidc_roles", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("oidc_roles")
    @classmethod
    def _are_roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            group, _, role = pair.rpartition("=")
            if not group or role not in RANK:
                raise ValueError("each is a group, '=' and one of reporter, editor, admin")
        return value

    @property
    def roles_of_groups(self) -> dict[str, Role]:
        """The role that each group of the provider's has here."""
        return {group: cast(Role, role) for group, _, role in (pair.rpartition("=") for pair in self.oidc_roles)}

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @classmethod
    def read(cls, **flags: Any) -> "Settings":
        """The settings from the environment; `flags` that are not None take precedence."""
        try:
            settings = cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = "LIVE_" + str(first["loc"][0]).upper() if first["loc"] else "LIVE_*"
            raise SettingsError(f"{name} is wrong: {first['msg']} (it is {first['input']!r}).") from None
        if settings.oidc_issuer and not (settings.oidc_client_id and settings.oidc_roles):
            raise SettingsError("LIVE_OIDC_ISSUER needs LIVE_OIDC_CLIENT_ID and LIVE_OIDC_ROLES beside it.")
        if settings.otel_endpoint and not can_trace():  # here, and not in each worker, which would be started again
            raise SettingsError("LIVE_OTEL_ENDPOINT needs more packages: pip install 'live-news[otel]'")
        return settings


def can_trace() -> bool:
    """Whether the packages that traces need are installed."""
    try:
        return all(map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:  # of a package around it
        return False
