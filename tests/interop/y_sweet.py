"""Python's end of `y_sweet.mjs`: the published y-sweet client and SDK in the Node process of `tests.interop.node`."""

import base64
from dataclasses import dataclass
from typing import Any

from tests.interop.node import Node, NodeClient


@dataclass(frozen=True, slots=True)
class YSweet(NodeClient):
    """One Y.Doc and its provider. `status` has `opens`, `closes`, `tokens` (how often it asked for one), `unsaved` …"""


async def sweeten(
    node: Node,
    name: str,
    url: str,
    room: str,
    *,
    secret: str | None = None,
    token: dict[str, Any] | None = None,
    connect: bool = True,
    **authorization: Any,
) -> YSweet:
    """A new provider with an empty document, connecting.

    Args:
        url: the server's, beginning with `http`.
        secret: with which its application asks the server for its tokens.
        token: a client token that it has already, whenever it asks for one.
        connect: otherwise it is without a network until it is told to `connect`.
        authorization: what its application asks for, as the SDK takes it.
    """
    client_id = await node.call(
        "openYSweet",
        client=name,
        connection=connection(url, secret),
        room=room,
        token=token,
        connect=connect,
        authorization=authorization,
    )
    return YSweet(node, name, client_id)


def connection(url: str, secret: str | None = None) -> str:
    """The SDK's connection string."""
    host = url.removeprefix("http://")
    return f"ys://{host}" if secret is None else f"ys://{secret}@{host}"


async def ask(node: Node, string: str, call: str, *arguments: Any) -> Any:
    """Have the SDK's `DocumentManager` carry out a call."""
    given = [{"base64": base64.b64encode(a).decode()} if isinstance(a, bytes) else a for a in arguments]
    answer = await node.call("ySweet", connection=string, call=call, arguments=given)
    return base64.b64decode(answer["base64"]) if isinstance(answer, dict) and "base64" in answer else answer
