"""Everything an operator can set, read once from `COSCRIBE_…` variables and the options of `coscribe serve`.

All faults are found in one go, so that nobody has to start the server five times to learn of five mistakes. The rest
of the program takes a `Settings`, or the slice it needs; nothing else reads the environment.
"""

import functools
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from collab.limits import RoomLimits
from storage.blobs import Blobs, blobs_at
from storage.errors import UnsupportedDatabase
from storage.url import is_sqlite, parse_database_url, sqlite_path
from web.history.process import HistoryLimits
from web.workers import WorkerLimits

ENV_PREFIX = "COSCRIBE_"
JWT_SECRET_BYTES_MIN = 32
_STANDARD_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


class SettingsError(Exception):
    """Settings that cannot be used. `faults` has one line for each mistake, fit to be shown; no value is repeated."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@functools.lru_cache(maxsize=256)
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

    auth: Literal["accounts", "jwt", "none", "application"] = "accounts"
    """How people prove who they are: `accounts` of this server, `jwt` of your product, `none`, or `application`."""

    auth_none_on_network: bool = False
    """Allows AUTH=none to listen beyond this machine: everybody who reaches the port can then edit everything."""

    allowed_origins: Words = ()
    """Web origins besides the server's own whose pages may connect, as browsers write them: `https://app.example.com`."""

    trusted_proxies: Words = ()
    """Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    allowed_hosts: Words = ()
    """Names under which the server answers, as they stand in the Host header, without port; none: under any."""

    public_url: str = ""
    """Where browsers find the server, for links: `https://docs.example.com`. None: where they asked for it."""

    plain_http_sign_in: bool = False
    """Allows signing in over http from other machines. Whoever listens on the line can then take over the sign-in."""

    sign_in_days: float = Field(default=30, gt=0, le=400)
    """How long somebody stays signed in."""

    invitation_days: float = Field(default=7, gt=0, le=400)
    """How long a link works by which somebody makes an account, or sets a new password."""

    password_memory_kib: int = Field(default=64 * 1024, ge=1024)
    """Memory that checking one password takes (argon2id). Less makes stolen hashes easier to guess."""

    password_rounds: int = Field(default=3, ge=1)
    """Passes over that memory."""

    jwt_secret: SecretStr = SecretStr("")
    """AUTH=jwt: the secret with which your product signs tokens (HS256), at least 32 characters."""

    jwt_old_secret: SecretStr = SecretStr("")
    """A secret that still counts besides JWT_SECRET, while you change from it to that one."""

    jwt_jwks_url: str = ""
    """AUTH=jwt: where the public keys are with which tokens are checked (RS256, ES256, EdDSA)."""

    jwt_audience: str = ""
    """What `aud` of a token has to name; needed with JWT_JWKS_URL. None: it names `coscribe`, or nothing."""

    jwt_issuer: str = ""
    """What `iss` of a token has to be; none: it is not looked at."""

    jwt_login_url: str = ""
    """AUTH=jwt: the page of your product to which the web app sends people without a token, with `?next=` the address
    that they came for; the product leads back there with `#token=` and a token behind it."""

    oidc_issuer: str = ""
    """AUTH=accounts: an OpenID provider with which people may sign in, such as `https://login.example.com`."""

    oidc_client_id: str = ""
    """The name under which the provider knows this server."""

    oidc_client_secret: SecretStr = SecretStr("")
    """The secret that goes with OIDC_CLIENT_ID."""

    oidc_label: str = "single sign-on"
    """What the sign-in page calls the provider."""

    oidc_create_accounts: bool = False
    """Whoever the provider knows gets an account; otherwise only who has one with the same verified e-mail address."""

    metrics_token: SecretStr = SecretStr("")
    """When set, `/metrics` answers only to who sends it (`Authorization: Bearer ...`). It counts and names nobody."""

    connections_per_user_max: int = Field(default=50, ge=1)
    """WebSockets that one person may have open."""

    connections_per_address_max: int = Field(default=200, ge=1)
    """WebSockets that may be open from one address. Not with AUTH=none on this machine only."""

    messages_per_second_max: int = Field(default=200_000, ge=10)
    """WebSocket messages that one client may send in the long run; more: 1008."""

    messages_burst_max: int = Field(default=500_000, ge=10)
    """WebSocket messages that one client may send at once."""

    receive_bytes_per_second_max: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Bytes that one client may send in the long run; more: 1008."""

    receive_burst_bytes_max: int = Field(default=64 * 1024 * 1024, ge=64 * 1024)
    """Bytes that one client may send at once: a long time of offline edits."""

    sign_ins_per_minute_max: int = Field(default=20, ge=1)
    """Attempts to sign in from one address; for one name from one address it is half."""

    refused_tokens_per_minute_max: int = Field(default=100, ge=1)
    """Wrong tokens from one address that are told why they are refused; further ones get 429. Right ones get in."""

    authentication_seconds: float = Field(default=10, gt=0)
    """Time to find out who is asking, before a handshake or request is given up."""

    recheck_seconds: float = Field(default=60, gt=0)
    """How often the roles behind open WebSockets are looked up again, though nothing was heard of a change."""

    message_bytes_max: int = Field(default=1024 * 1024, ge=1024)
    """Largest WebSocket message other than a client's offline edits; a larger one closes the connection with 1009."""

    sync_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Largest set of offline edits (sync step 2) in one message, and largest update posted over HTTP."""

    document_bytes_max: int = Field(default=50 * 1024 * 1024, ge=1024)
    """Largest document, merged; an update that would grow it beyond is refused."""

    awareness_state_bytes_max: int = Field(default=16 * 1024, ge=128)
    """Largest awareness state (name, caret, colour) of one client."""

    stateless_bytes_max: int = Field(default=64 * 1024, ge=128)
    """Largest stateless message of a Hocuspocus client, or custom message of a y-partyserver client: it is passed on
    and kept nowhere."""

    documents_per_socket_max: int = Field(default=1000, ge=1)
    """Documents that may be open on one WebSocket, of clients that share one among many."""

    unauthenticated_documents_max: int = Field(default=100, ge=1)
    """Of these, documents whose token has not come, or is being checked."""

    unauthenticated_messages_max: int = Field(default=1000, ge=8)
    """Messages for such documents that wait on one WebSocket; also how many of its tokens may be refused."""

    unauthenticated_bytes_max: int = Field(default=5 * 1024 * 1024, ge=1024)
    """Bytes of such messages."""

    unauthenticated_seconds: float = Field(default=60, gt=0)
    """Time in which the first document of a WebSocket for many has to be opened; then it is closed with 4408."""

    unsaved_bytes_max: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Edits of all documents that may wait for the database; beyond it writers are told to come back later (1013)."""

    refuse_unrelated: bool = False
    """Closes clients with 4409 whose copy shares nothing with a document that is not empty; otherwise it logs them."""

    send_queue_bytes_max: int = Field(default=256 * 1024, ge=16 * 1024, le=16 * 1024 * 1024)
    """Bytes that may wait to be sent to one client; with more it leaves the live stream and catches up later."""

    commit_window_ms: float = Field(default=10, ge=0, le=1000)
    """How long the log waits for more edits before it commits, in milliseconds; up to three times that when many
    documents are written in at once. Relaying never waits."""

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

    import_bytes_max: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest file that is imported as a document."""

    files_url: str = ""
    """Where images and other files are kept: `s3://bucket/prefix` for an object store (needs `coscribe[s3]`; keys and
    endpoint come from `AWS_…` variables). Without, the directory `files` in DATA_DIR."""

    file_bytes_max: int = Field(default=10 * 1024 * 1024, ge=1024)
    """Largest image that is uploaded into a document."""

    files_bytes_max: int = Field(default=500 * 1024 * 1024, ge=1024)
    """Most that the images of one document may have together."""

    archive_bytes_max: int = Field(default=100 * 1024 * 1024, ge=1024)
    """Most that an archive may unpack to when it is imported; also the largest archive file."""

    archive_entries_max: int = Field(default=10_000, ge=1)
    """Most files in an archive that is imported."""

    archive_ratio_max: int = Field(default=100, ge=2)
    """Most times its own size that an archive, or a file in it, may unpack to."""

    archive_seconds: int = Field(default=3600, ge=1)
    """Time, and processor time, that writing or checking an archive may take."""

    jobs_max: int = Field(default=1, ge=1)
    """How many exports and imports of many documents run at once over HTTP; more are refused with 429."""

    job_file_hours: float = Field(default=24, gt=0, le=24 * 24)
    """How long the file of such an export may be downloaded."""

    worker_seconds: float = Field(default=300, gt=0)
    """Time an export or import of one document may take."""

    worker_cpu_seconds: int = Field(default=120, ge=1)
    """Processor time of the process in which such an export or import runs."""

    worker_memory_bytes_max: int = Field(default=2 * 1024 * 1024 * 1024, ge=256 * 1024 * 1024)
    """Address space of such a process."""

    workers_max: int = Field(default=2, ge=1)
    """How many such processes run at once; more wait."""

    history_pause_seconds: float = Field(default=300, ge=60)
    """A pause after which somebody's edits are another session on the timeline of a document's history."""

    history_seconds: float = Field(default=60, gt=0)
    """Time the answer to one question about a document's past may take."""

    history_memory_bytes_max: int = Field(default=2 * 1024 * 1024 * 1024, ge=256 * 1024 * 1024)
    """Address space of the process that answers questions about the past."""

    history_role: Literal["reader", "commenter", "editor", "owner"] = "editor"
    """Least role with which somebody sees a document's history. Others see the present and the named versions."""

    history_retention: Literal["all", "daily", "none"] = "all"
    """What is kept of edits older than HISTORY_DAYS: `all`, one state a day (`daily`), or what they made (`none`)."""

    history_days: int = Field(default=90, ge=1, le=36_500)
    """How old edits become before HISTORY_RETENTION thins them out."""

    shutdown_seconds: float = Field(default=10, gt=0)
    """Time from a signal to stop to the end of the server, in which it stores what is still in memory."""

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

    def open_blobs(self) -> Blobs:
        """Where files are kept: in an object store, or on this machine when there is none."""
        return blobs_at(self.files_url, self.data_dir)

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
            stateless_bytes_max=self.stateless_bytes_max,
            unsaved_bytes_max=self.unsaved_bytes_max,
            refuse_unrelated=self.refuse_unrelated,
            commit_window_seconds=self.commit_window_ms / 1000,
            idle_seconds=self.room_idle_seconds,
        )

    @property
    def archive_limits(self) -> WorkerLimits:
        return WorkerLimits(
            cpu_seconds=self.archive_seconds,
            memory_bytes=self.worker_memory_bytes_max,
            seconds=self.archive_seconds,
            at_once=self.jobs_max,
        )

    @property
    def worker_limits(self) -> WorkerLimits:
        return WorkerLimits(
            cpu_seconds=self.worker_cpu_seconds,
            memory_bytes=self.worker_memory_bytes_max,
            seconds=self.worker_seconds,
            at_once=self.workers_max,
        )

    @property
    def history_limits(self) -> HistoryLimits:
        return HistoryLimits(seconds=self.history_seconds, memory_bytes=self.history_memory_bytes_max)

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

    @field_validator("public_url", "oidc_issuer", "jwt_jwks_url", "jwt_login_url")
    @classmethod
    def _web_address(cls, url: str, info: ValidationInfo) -> str:
        if url and not re.fullmatch(r"https?://[^\s/@?#]+(?:/[^\s?#]*)?", url):
            raise ValueError("must be the address of a server: https://NAME or https://NAME/PATH")
        # Keys and sign-ins that anybody on the line can change prove nothing.
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        if info.field_name != "public_url" and url.startswith("http:") and not is_loopback(_without_port(host)):
            raise ValueError("must begin with https://")
        return url if info.field_name in ("jwt_jwks_url", "jwt_login_url") else url.rstrip("/")

    @field_validator("jwt_secret", "jwt_old_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value().encode()) < JWT_SECRET_BYTES_MIN:
            raise ValueError(f"a secret of less than {JWT_SECRET_BYTES_MIN} bytes can be guessed from any token")
        return secret

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        secret, keys = bool(self.jwt_secret.get_secret_value()), bool(self.jwt_jwks_url)
        if self.auth == "jwt" and secret == keys:
            raise ValueError("AUTH=jwt needs either JWT_SECRET or JWT_JWKS_URL, and not both")
        if self.auth == "jwt" and keys and not self.jwt_audience:
            # The same keys sign tokens for other programs, which must not open this one.
            raise ValueError("JWT_JWKS_URL needs JWT_AUDIENCE")
        if bool(self.oidc_issuer) != bool(self.oidc_client_id):
            raise ValueError("OIDC_ISSUER and OIDC_CLIENT_ID go together")
        return self


def _without_port(host: str) -> str:
    return re.sub(r":[0-9]+$", "", host).strip("[]")


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        if fault["type"] == "default_factory_not_called":
            continue  # It follows from another fault, which has its own line.
        text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        # What concerns several settings names them itself.
        faults.append(f"{ENV_PREFIX}{str(fault['loc'][0]).upper()}: {text}" if fault["loc"] else text)
    return faults
