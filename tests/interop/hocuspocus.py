"""Python's end of `hocuspocus.mjs`: published Hocuspocus providers in the Node process of `tests.interop.node`."""

from dataclasses import dataclass
from typing import Any, Literal

from tests.interop.node import Node, NodeClient

ProviderVersion = Literal[2, 3, 4]


@dataclass(frozen=True, slots=True)
class Provider(NodeClient):
    """One Y.Doc and its HocuspocusProvider. `status` has `scopes`, `denials`, `closes`, `heard`, `unsynced` …"""

    async def use_token(self, token: str, how: Literal["sync", "send", "later"]) -> None:
        """Take another token: send it and sync, only send it, or only when the server asks for it."""
        await self._call("token", token=token, how=how)

    async def send_stateless(self, payload: str) -> None:
        await self._call("stateless", payload=payload)

    async def detach(self) -> None:
        """Close this document; the socket stays."""
        await self._call("detach")

    async def attach(self) -> None:
        await self._call("attach")

    async def until(self, condition: Literal["denied", "closed"], within: float = 10) -> None:
        await self._call("wait", **{"for": condition, "timeoutMs": within * 1000})


async def provide(
    node: Node,
    name: str,
    url: str,
    room: str,
    *,
    version: ProviderVersion = 4,
    token: str | None = "",
    socket: str | None = None,
    **options: Any,
) -> Provider:
    """A new provider with an empty document, connecting.

    Args:
        token: None for an application that has none.
        socket: those of one name share a socket; None for one of its own.
    """
    client_id = await node.call(
        "openHocuspocus", client=name, version=version, url=url, room=room, token=token, socket=socket, **options
    )
    return Provider(node, name, client_id)
