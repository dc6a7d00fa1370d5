"""Every setting, read once from LIVE_* environment variables, then frozen; other modules are handed values."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from live.errors import SettingsError


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
        None, description="Redis 7 or Valkey server, as redis://, rediss:// or unix://; without it, the embedded one."
    )
    data_dir: Path = Field(Path("data"), description="Where the embedded server keeps its files.")
    site: str = Field("main", pattern=r"^[a-z0-9-]{1,40}$", description="Name of the site among the server's keys.")
    site_name: str = Field("Live", min_length=1, max_length=80, description="Name of the site on its pages.")
    language: str = Field("en", description="Language of the site, a BCP 47 tag.")
    retention: int = Field(100_000, ge=10, description="Entries that the journal's log keeps; stories stay.")
    ring: int = Field(1_000, ge=1, description="Recent entries that each process keeps in memory for resuming readers.")
    durability: Literal["auto", "fsync", "memory"] = Field(
        "auto", description="What a 201 waits for: auto, fsync where the server has it; fsync, always; memory, nothing."
    )
    tick_seconds: float = Field(15.0, ge=0.1, le=300, description="Seconds between two ticks (heartbeats) to readers.")
    reader_queue_bytes: int = Field(262_144, ge=4_096, description="What may wait for one slow reader, in bytes.")
    max_body_bytes: int = Field(262_144, ge=1_024, description="Largest request body, in bytes.")
    max_topics: int = Field(20, ge=1, description="Topics that one reader may follow.")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Other sites whose pages may open the stream, separated by commas."
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-* headers count, separated by commas; * trusts all."
    )
    url: str | None = Field(None, description="Server that `live post` and `live demo` talk to.")
    token: str | None = Field(None, repr=False, description="Token that `live post` and `live demo` use.")
    demo: bool = Field(False, description="Fill an empty site with demo stories at the start.")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @classmethod
    def read(cls, **flags: Any) -> "Settings":
        """The settings from the environment; `flags` that are not None take precedence."""
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = "LIVE_" + str(first["loc"][0]).upper() if first["loc"] else "LIVE_*"
            raise SettingsError(f"{name} is wrong: {first['msg']} (it is {first['input']!r}).") from None
