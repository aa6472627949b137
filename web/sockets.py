"""Every WebSocket of the server: which protocol is spoken at which address.

A further protocol is a module of `collab.dialects` that frames its messages, a line here, and a test. One that has a
document in its address needs no more; one that has many on a socket needs an endpoint of its own.
"""

from typing import Final
from urllib.parse import unquote

from collab.dialects.jupyter import JUPYTER
from collab.dialects.y_partyserver import Y_PARTYSERVER
from collab.dialects.y_sweet import Y_SWEET
from collab.dialects.y_websocket import Y_WEBSOCKET
from web.hocuspocus import share
from web.routing import SharedSocket, Socket
from web.security import Action
from web.state import AppWebSocket
from web.sync import speaking

MAIN_PARTY: Final = "main"
_NO_NAME: Final = ""
"""Of no document: the door refuses it with 400, when it gets there."""


def _named_twice(websocket: AppWebSocket) -> str:
    """y-sweet clients put the name behind an address that has it already."""
    name, again = (unquote(websocket.path_params[part]) for part in ("document", "again"))
    return name if name == again else _NO_NAME


def _room_of_party(websocket: AppWebSocket) -> str:
    """A room of the party that clients choose when they choose none is the document of its name; in any other party
    the party's name comes before it."""
    party, room = (unquote(websocket.path_params[part]) for part in ("party", "room"))
    return room if party == MAIN_PARTY else f"{party}/{room}"


SOCKETS: Final = (
    SharedSocket("/ws", share),
    Socket("/ws/{document:path}", Action.CONNECT, speaking(Y_WEBSOCKET)),
    Socket("/d/{document}/ws/{again:path}", Action.CONNECT, speaking(Y_SWEET), _named_twice),
    Socket("/parties/{party}/{room:path}", Action.CONNECT, speaking(Y_PARTYSERVER), _room_of_party),
    Socket("/api/collaboration/room/{document:path}", Action.CONNECT, speaking(JUPYTER)),
)
