"""Everything an operator can set, read once from `COSCRIBE_…` variables and the options of `coscribe serve`.

All faults are found in one go, so that nobody has to start the server five times to learn of five mistakes. The rest
of the program takes a `Settings`, or the slice it needs; nothing else reads the environment.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from collab.limits import RoomLimits
from storage.errors import UnsupportedDatabase
from storage.url import is_sqlite, parse_database_url, sqlite_path

ENV_PREFIX = "COSCRIBE_"
_STANDARD_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


class SettingsError(Exception):
    """Settings that cannot be used. `faults` has one line for each mistake, fit to be shown; no value is repeated."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas or spaces."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
    )

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; `0.0.0.0` or `::` for every network of this machine."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one, which the server prints."""

    data_dir: Path = Path("data")
    """Directory of the embedded database; made when it does not exist."""

    database_url: str = Field(
        default_factory=lambda given: f"sqlite+aiosqlite:///{given['data_dir']}/coscribe.db", repr=False
    )
    """`sqlite+aiosqlite:///PATH` (the default: `coscribe.db` in DATA_DIR) or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`."""

    auth: Literal["accounts", "jwt", "none"] = "accounts"
    """How people prove who they are. `none` lets everybody edit; `accounts` and `jwt` are not available yet."""

    auth_none_on_network: bool = False
    """Allows AUTH=none to listen beyond this machine: everybody who reaches the port can then edit everything."""

    allowed_origins: Words = ()
    """Web origins besides the server's own whose pages may connect, as browsers write them: `https://app.example.com`."""

    trusted_proxies: Words = ()
    """Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    message_bytes_max: int = Field(default=1024 * 1024, ge=1024)
    """Largest WebSocket message other than a client's offline edits; a larger one closes the connection with 1009."""

    sync_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Largest set of offline edits (sync step 2) in one message, and largest update posted over HTTP."""

    document_bytes_max: int = Field(default=50 * 1024 * 1024, ge=1024)
    """Largest document, merged; an update that would grow it beyond is refused."""

    awareness_state_bytes_max: int = Field(default=16 * 1024, ge=128)
    """Largest awareness state (name, caret, colour) of one client."""

    unsaved_bytes_max: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Edits of all documents that may wait for the database; beyond it writers are told to come back later (1013)."""

    send_queue_bytes_max: int = Field(default=256 * 1024, ge=16 * 1024, le=16 * 1024 * 1024)
    """Bytes that may wait to be sent to one client; with more it leaves the live stream and catches up later."""

    commit_window_ms: float = Field(default=10, ge=0, le=1000)
    """How long the log waits for more edits before it commits, in milliseconds. Relaying never waits."""

    room_idle_seconds: float = Field(default=10, ge=0)
    """A document that nobody has open leaves memory after this time."""

    keepalive_seconds: float = Field(default=15, gt=0, le=25)
    """Time between two signs of life to each client. y-websocket clients leave a server that is silent for 30 s."""

    silence_seconds: float = Field(default=40, gt=0)
    """A client from which nothing at all arrives for this time is dropped, though it was pinged."""

    header_seconds: float = Field(default=10, gt=0)
    """Time a client has to send the head of a request."""

    header_bytes_max: int = Field(default=64 * 1024, ge=1024)
    """Largest head of a request: request line and all header lines."""

    body_bytes_max: int = Field(default=64 * 1024, ge=1024)
    """Largest JSON body of a request."""

    body_seconds: float = Field(default=120, gt=0)
    """Time a client has to send the body of a request."""

    updates_page_max: int = Field(default=1000, ge=1)
    """Most updates in one answer of `/updates`; also the number without `limit`."""

    updates_page_bytes_max: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Most payload bytes in one answer of `/updates`; a single larger update is still given whole."""

    shutdown_seconds: float = Field(default=10, gt=0)
    """Time to store what is still in memory when the server is stopped."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`json` writes one object a line; `console` is for eyes; `auto` picks `console` on a terminal."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages to log."""

    @classmethod
    def read(cls, **options: Any) -> Self:
        """Read the environment; `options` that are not None win over it.

        Raises:
            SettingsError: with every fault.
        """
        given = {name: value for name, value in options.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_faults(error)) from None

    @property
    def local_only(self) -> bool:
        """Everybody who reaches the server may do everything, which is safe because only this machine reaches it."""
        return self.auth == "none" and is_loopback(self.host) and not self.auth_none_on_network

    @property
    def sqlite_path(self) -> Path | None:
        """File of the embedded database; None on a database server."""
        url = parse_database_url(self.database_url)
        return sqlite_path(url) if is_sqlite(url) else None

    @property
    def room_limits(self) -> RoomLimits:
        return RoomLimits(
            message_bytes_max=self.message_bytes_max,
            sync_bytes_max=self.sync_bytes_max,
            document_bytes_max=self.document_bytes_max,
            awareness_state_bytes_max=self.awareness_state_bytes_max,
            unsaved_bytes_max=self.unsaved_bytes_max,
            commit_window_seconds=self.commit_window_ms / 1000,
            idle_seconds=self.room_idle_seconds,
        )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        try:
            parse_database_url(url)
        except UnsupportedDatabase as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("allowed_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for position, origin in enumerate(origins, 1):
            if _ORIGIN.fullmatch(origin) is None or origin.endswith(_STANDARD_PORTS[origin.partition(":")[0]]):
                raise ValueError(
                    f"number {position} is not an origin; write scheme, host and port as a browser does, in lower "
                    "case, without a path and without the standard port: https://app.example.com"
                )
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _proxy_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for position, proxy in enumerate(proxies, 1):
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(f"number {position} is neither an address nor a network") from None
        return proxies

    @field_validator("auth_none_on_network")
    @classmethod
    def _no_open_door(cls, allowed: bool, info: ValidationInfo) -> bool:
        if info.data.get("auth") == "none" and not allowed and not is_loopback(info.data.get("host", "localhost")):
            raise ValueError(
                "AUTH=none lets everybody edit, and HOST is reachable from the network; "
                "listen on 127.0.0.1, or set AUTH_NONE_ON_NETWORK=true if that is what you want"
            )
        return allowed


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        if fault["type"] == "default_factory_not_called":
            continue  # It follows from another fault, which has its own line.
        name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
        text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        faults.append(f"{ENV_PREFIX}{name}: {text}")
    return faults
