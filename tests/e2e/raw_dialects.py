"""Clients of y-sweet, y-partyserver and Jupyter, of pycrdt and a bare WebSocket: y-websocket's messages elsewhere."""

import json
from typing import Any
from urllib.parse import quote, urlsplit

from tests.e2e import wire
from tests.e2e.raw_client import Address, RawClient


class RawSweet(RawClient):
    """A y-sweet client, without its heartbeat.

    Args:
        again: the name at the end of its address; the document's by default.
    """

    def __init__(self, server: Address, document: str, *, again: str | None = None, **options: Any) -> None:
        super().__init__(server, document, **options)
        self.again = document if again is None else again

    @property
    def address(self) -> str:
        base = f"ws://{urlsplit(self.server.ws_url).netloc}"
        return f"{base}/d/{quote(self.document, safe='')}/ws/{self.again}{self.query}"


class RawParty(RawClient):
    def __init__(self, server: Address, document: str, *, party: str = "main", **options: Any) -> None:
        super().__init__(server, document, **options)
        self.party = party
        self.heard: list[str] = []
        """Text messages."""

    @property
    def address(self) -> str:
        base = f"ws://{urlsplit(self.server.ws_url).netloc}"
        return f"{base}/parties/{self.party}/{self.document}{self.query}"

    async def _receive_text(self, text: str) -> None:
        self.heard.append(text)


class RawJupyter(RawClient):
    def __init__(self, server: Address, document: str, **options: Any) -> None:
        super().__init__(server, document, **options)
        self.answers: list[dict[str, Any]] = []
        """To its saves."""

    @property
    def address(self) -> str:
        base = f"ws://{urlsplit(self.server.ws_url).netloc}"
        return f"{base}/api/collaboration/room/{self.document}{self.query}"

    async def _receive(self, data: bytes) -> None:
        # A refusal has a 0 where the length of an answer is.
        if data[0] == wire.AUTH and data[1]:
            length, position = wire.read_varuint(data, 1)
            assert len(data) == position + length
            self.answers.append(json.loads(data[position:]))
        else:
            await super()._receive(data)
