"""The one function that endpoints call, whatever server they run under."""

from starlette.websockets import WebSocket

from web.transport.asgi import AsgiConnection
from web.transport.heart import Heart
from web.transport.ports import EXTENSION, Detach, OpenReceiver, TransportLimits


async def run_connection(
    websocket: WebSocket,
    open_receiver: OpenReceiver,
    *,
    heart: Heart,
    limits: TransportLimits,
    keep_alive: bytes = b"",
) -> None:
    """Connect an accepted WebSocket to the Receiver that `open_receiver` makes for it.

    Call it right after `await websocket.accept()`, and return after it without touching `websocket` again: where the
    socket can be detached it returns at once and the connection lives on without the endpoint; elsewhere it returns
    when the connection has ended. So whatever has to end with the connection belongs into `Receiver.closed`.

    `open_receiver` is called exactly once, even if the peer has left meanwhile; what it returns is closed exactly once.

    Args:
        keep_alive: a ready-made frame, sent once per interval of the heart.

    Raises:
        RuntimeError: the heart does not beat.
        Exception: from `open_receiver`; the client is told 1011.
    """
    if not heart.running:
        raise RuntimeError("a connection needs a running heart")
    detach: Detach | None = (websocket.scope.get("extensions") or {}).get(EXTENSION)
    if detach is not None:
        detach(open_receiver, heart, limits, keep_alive)
    else:
        await AsgiConnection(websocket, heart, limits, keep_alive).run(open_receiver)
