"""A Hocuspocus client made of pycrdt and a bare WebSocket: one document under one key, every message under control."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from pycrdt import Doc

from tests.e2e import wire
from tests.e2e.raw_client import Address, Outgoing, RawClient

STATELESS, CLOSE, STATUS = 5, 7, 8
VERSION = "4.8.0"


def varstring(text: str) -> bytes:
    return wire.sized(text.encode())


def token_message(token: str, version: str | None = VERSION) -> bytes:
    """What follows the key."""
    return b"\x02\x00" + varstring(token) + (b"" if version is None else varstring(version))


class RawProvider(RawClient):
    """As `RawClient`, over `/ws`. `saved` and what belongs to it is not for this protocol; see `statuses`.

    Args:
        key: what every message begins with; the document's name by default.
        token: sent first of all; None sends nothing.
    """

    def __init__(
        self,
        server: Address,
        document: str,
        doc: Doc[Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        token: str | None = "",
        version: str | None = VERSION,
    ) -> None:
        super().__init__(server, document, doc, headers=headers)
        self.key = varstring(document if key is None else key)
        self.token = token
        self.version = version
        self.scopes: list[str] = []
        """Each acceptance."""
        self.denials: list[str] = []
        self.goodbyes: list[str] = []
        """Reasons with which the document was closed."""
        self.statuses: list[int] = []
        """Sync statuses: 1 is saved, 0 is refused."""
        self.heard: list[str] = []
        """Stateless messages."""
        self.tokens_wanted = 0
        self.others: list[bytes] = []
        """Whole messages under other keys, and bare ones."""

    @property
    def address(self) -> str:
        return self.server.ws_url

    async def connect(self, *, sync: bool = True) -> Self:
        await super().connect(sync=False)
        if self.token is not None:
            await self.send(token_message(self.token, self.version))
        if sync:
            await self.sync()
        return self

    @asynccontextmanager
    async def connect_only(self) -> AsyncIterator[Self]:
        """Connect, and sync nothing."""
        await self.connect(sync=False)
        try:
            yield self
        finally:
            await self.close()

    async def send(self, message: Outgoing) -> None:
        """Send one message of this document."""
        assert isinstance(message, bytes)
        await self.send_bare(self.key + message)

    async def send_bare(self, message: Outgoing) -> None:
        """Send one message as it is."""
        await super().send(message)

    async def settled(self, statuses: int, within: float = 10) -> None:
        """Wait for so many sync statuses since the connection began."""
        await self.until(lambda: len(self.statuses) >= statuses, f"told {statuses} sync statuses", within)

    async def _receive(self, data: bytes) -> None:
        if not data.startswith(self.key):
            self.others.append(data)
            return
        body = data[len(self.key) :]
        match body[0]:
            case wire.AUTH if body[1] == 0:
                self.tokens_wanted += 1
            case wire.AUTH:
                (self.denials if body[1] == 1 else self.scopes).append(_text(body[2:]))
            case 5:
                self.heard.append(_text(body[1:]))
            case 7:
                self.goodbyes.append(_text(body[1:]))
            case 8:
                self.statuses.append(body[1])
            case _:
                await self._handle(wire.parse(body))


def _text(data: bytes) -> str:
    length, position = wire.read_varuint(data)
    assert len(data) == position + length
    return data[position:].decode()
