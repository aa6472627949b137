"""How the command line asks the server: over its own API, as an administrator without an account.

There is one set of handlers for people, tokens and links, whoever uses them, and an SQLite file has one process that
may write. So a command first tries to open the database itself and then runs the application inside its own process;
when a server has the file, it asks that one. It proves itself by a key that the server makes anew at each start and
leaves in the data directory, for its own user's eyes only: whoever can read there can read the database as well.
"""

import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from collab.errors import StoreUnavailable
from collab.types import DocumentId, Role
from storage.engine import Database
from web.bearer import token_of
from web.opening import open_current
from web.settings import Settings
from web.visitor import Authority, Found, Standing, Visitor, address_of

_FILE = "operator.json"
_SECONDS = 30.0


class WithOperator:
    """An `Authority` that knows the operator, besides those whom another one knows."""

    def __init__(self, authority: Authority, key: str) -> None:
        self._authority = authority
        self._key = key.encode()
        self.waits = authority.waits

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        token = token_of(connection)
        if token is not None and compare_digest(token.encode(), self._key):
            return Visitor(
                None,
                "operator",
                by="token",
                known=True,
                administrator=True,
                scope=(("*", Role.OWNER),),
                bounded=False,
                address=address_of(connection),
            )
        return await self._authority.identify(connection)

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        return Standing(Role.OWNER) if _is_operator(visitor) else await self._authority.standing(visitor, document)

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return _is_operator(visitor) or await self._authority.may_create(visitor, document)

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        # The operator's sockets, if there ever were any, live as long as the server does.
        others = iter(await self._authority.again([seat for seat in seats if not _is_operator(seat[0])]))
        return [Standing(Role.OWNER) if _is_operator(visitor) else next(others) for visitor, _ in seats]


def _is_operator(visitor: Visitor) -> bool:
    return visitor.by == "token" and visitor.token_digest is None and visitor.account is None and visitor.administrator


def new_operator_key() -> str:
    return secrets.token_urlsafe(32)


@contextmanager
def operator_file(settings: Settings, url: str, key: str) -> Iterator[None]:
    """While a server runs: how to reach it, for commands on this machine."""
    path = settings.data_dir / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": url, "key": key}, file)
    try:
        yield
    finally:
        with suppress(OSError):
            if _read(path).get("key") == key:
                path.unlink()


@asynccontextmanager
async def operator_client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running server, or of the application in this process.

    Raises:
        StoreError: the database can be used neither way.
    """
    try:
        database = await open_current(settings)
    except StoreUnavailable:
        found = _read(settings.data_dir / _FILE)
        if not found:
            raise
        headers = {"Authorization": f"Bearer {found['key']}"}
        async with httpx2.AsyncClient(
            base_url=found["url"], headers=headers, timeout=_SECONDS, trust_env=False, verify=False
        ) as client:
            yield client
        return
    async with database, _within(settings, database) as client:
        yield client


@asynccontextmanager
async def _within(settings: Settings, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    from web.app import create_app

    key = new_operator_key()
    app = create_app(settings, database=database, operator_key=key)
    async with app.router.lifespan_context(app) as state:

        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx2.ASGITransport(entered)
        async with httpx2.AsyncClient(
            transport=transport, base_url=_base_url(settings), headers={"Authorization": f"Bearer {key}"}
        ) as client:
            yield client


def local_url(url: str) -> str:
    """How a program on this machine reaches a server that listens on `url`."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _base_url(settings: Settings) -> str:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"
    host = next(iter(settings.allowed_hosts), host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port or 8000}"


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"url", "key"} <= found.keys() else {}
