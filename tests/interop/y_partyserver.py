"""Python's end of `y_partyserver.mjs`: the published y-partyserver client in `tests.interop.node`."""

from dataclasses import dataclass
from typing import Any

from tests.interop.node import Node, NodeClient


@dataclass(frozen=True, slots=True)
class PartyClient(NodeClient):
    """One Y.Doc and its YProvider. `status` has `heard` besides what others have: the custom messages."""

    async def send_message(self, text: str) -> None:
        await self._call("custom", payload=text)

    async def send_text(self, text: str) -> None:
        """A text message as it is."""
        await self._call("sendText", text=text)


async def join(node: Node, name: str, url: str, room: str, **options: Any) -> PartyClient:
    """A new provider with an empty document, connecting.

    Args:
        url: the server's, beginning with `http`.
        options: `party`, `prefix`, `params` …, as the provider takes them.
    """
    options = {"max_backoff_ms": 50} | options
    client = await node.open(name, url, room, version="partyserver", **options)
    return PartyClient(node, name, client.client_id)
