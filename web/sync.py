"""WebSocket to session: whom the door let in gets the live document."""

from typing import cast

from starlette.websockets import WebSocket

from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.types import Grant
from web.state import AppWebSocket
from web.transport import encode_frame, run_connection

_NOBODY = b"\x00"
KEEP_ALIVE = encode_frame(Y_WEBSOCKET.awareness(_NOBODY))
"""News of no client. Protocol pings are not enough: y-websocket looks at messages only."""


async def sync(websocket: AppWebSocket, grant: Grant) -> None:
    """Serve one y-websocket client.

    Raises:
        CollabError: the document cannot be opened; the handshake is not answered yet.
    """
    state = websocket.state
    hub = state["hub"]
    room = await hub.open(grant)
    # A browser that offered subprotocols and is given none of them drops the connection.
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=offered[0] if offered else None)
    await run_connection(
        cast(WebSocket, websocket),
        lambda connection: hub.attach(room, grant, connection, Y_WEBSOCKET),
        heart=state["heart"],
        limits=state["transport_limits"],
        keep_alive=KEEP_ALIVE,
    )
