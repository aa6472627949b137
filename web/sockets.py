"""Every WebSocket of the server: which protocol is spoken at which address.

A further protocol is a module of `collab.dialects` that frames its messages, a line here, and a test. One that has a
document in its address needs no more; one that has many on a socket needs an endpoint of its own.
"""

from typing import Final

from web.hocuspocus import share
from web.routing import SharedSocket, Socket
from web.security import Action
from web.sync import sync

SOCKETS: Final = (
    SharedSocket("/ws", share),
    Socket("/ws/{document:path}", Action.CONNECT, sync),
)
