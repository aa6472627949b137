"""WebSocket to session: whom the door let in gets the live document."""

from typing import cast

from starlette.websockets import WebSocket

from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.errors import CollabError, CorruptUpdate, DocumentQuarantined
from collab.messages import Dialect
from collab.ports import Connection
from web.routing import Admission, SocketEndpoint
from web.state import AppWebSocket, state_of
from web.transport import OpenReceiver, Receiver, TextReceiver, encode_frame, run_connection

_NOBODY = b"\x00"
_DIGITS = 9
"""More than these no version of a schema has."""
KEEP_ALIVE = encode_frame(Y_WEBSOCKET.awareness(_NOBODY))
"""News of no client. Protocol pings are not enough: y-websocket looks at messages only."""


def speaking(dialect: Dialect) -> SocketEndpoint:
    """An endpoint for clients of a dialect that has one document on a socket, and frames awareness as y-websocket."""

    async def endpoint(websocket: AppWebSocket, admission: Admission) -> None:
        await sync(websocket, admission, dialect)

    return endpoint


async def sync(websocket: AppWebSocket, admission: Admission, dialect: Dialect) -> None:
    """Serve one client.

    Raises:
        CollabError: the document cannot be opened; the handshake is not answered yet.
    """
    state = state_of(websocket)
    epoch = websocket.query_params.get("epoch") if websocket.scope["query_string"] else None
    schema = _schema_of(websocket.query_params.get("schema")) if websocket.scope["query_string"] else None
    hub, grant = state["hub"], admission.grant
    try:
        if epoch and grant.may_create and not hub.is_open(grant.document):
            # A server that lost its data gets it back from those who have it, and all of them belong together.
            await state["database"].documents.adopt(grant.document, epoch)
        room = await hub.open(grant)
        if schema is not None and schema > room.schema and grant.may_write:
            # Before anything can be written with it: after a crash it has to be known.
            await state["database"].documents.require_schema(grant.document, schema)
    except (DocumentQuarantined, CorruptUpdate) as error:
        # Nobody in a browser can read the answer to a refused handshake, and this one is worth knowing.
        refusal = error
        await connect(websocket, lambda connection: TurnedAway(connection, refusal))
        return

    def open_receiver(connection: Connection) -> Receiver:
        session = hub.attach(room, grant, connection, dialect, epoch=epoch, schema=schema)
        if state["settings"].local_only:
            return session  # There is nobody to watch over, and nothing to count.
        places, admission.places[:] = tuple(admission.places), ()
        seat = state["watch"].seat(session, admission.visitor, admission.standing, admission.moment, places)
        if not dialect.stateless_is_text:
            return seat
        assert isinstance(session, TextReceiver)
        return TextSeat(seat, session)

    await connect(websocket, open_receiver)


def _schema_of(text: str | None) -> int | None:
    """What is no version is ignored."""
    return int(text) if text and len(text) <= _DIGITS and text.isascii() and text.isdecimal() else None


async def connect(websocket: AppWebSocket, open_receiver: OpenReceiver, keep_alive: bytes = KEEP_ALIVE) -> None:
    """Accept, and run the connection."""
    # A browser that offered subprotocols and is given none of them drops the connection.
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=offered[0] if offered else None)
    state = state_of(websocket)
    await run_connection(
        cast(WebSocket, websocket),
        open_receiver,
        heart=state["heart"],
        limits=state["transport_limits"],
        keep_alive=keep_alive,
    )


class TextSeat:
    """The seat of a session that takes text messages, too."""

    __slots__ = ("closed", "receive", "receive_text", "writable")

    def __init__(self, seat: Receiver, session: TextReceiver) -> None:
        self.receive = seat.receive
        self.writable = seat.writable
        self.closed = seat.closed
        self.receive_text = session.receive_text


class TurnedAway:
    """Receives nothing: the connection is told why at once."""

    def __init__(self, connection: Connection, error: CollabError) -> None:
        connection.close(error.close_code, str(error))

    def receive(self, message: bytes) -> None:
        pass

    def writable(self, ready: bool) -> None:
        pass

    def closed(self) -> None:
        pass
