"""The y-partyserver dialect: the messages of `collab.dialects.y_websocket`, and text.

    text "__YPS:…"   a custom message: passed on, kept nowhere

    B1  What the others send as custom messages, and stateless messages of Hocuspocus clients, is one thing.
    B2  A client describes itself when that changes and never renews it: rule A6 of `collab.awareness`.

Source: src/provider/ of y-partyserver 2.2. It complains of binary messages of types that it does not know, as
y-websocket does, and overlooks text that begins otherwise.
"""

from typing import TYPE_CHECKING, ClassVar

from collab.dialects.y_websocket import YWebSocket
from collab.errors import CollabError, UnknownMessage
from collab.ports import Connection
from collab.session import Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.room import Room

_CUSTOM = "__YPS:"


class YPartyServer(YWebSocket):
    name = "y-partyserver"
    stateless_is_text = True

    def session(self, room: "Room", grant: Grant, connection: Connection) -> "YPartyServerSession":
        return YPartyServerSession(room, grant, connection, self)

    def stateless(self, text: bytes) -> bytes | None:
        return _CUSTOM.encode() + text


class YPartyServerSession(Session):
    renews_presence: ClassVar[bool] = False

    __slots__ = ()

    def receive_text(self, message: str) -> None:
        """One whole text message from the client."""
        if not self.open or self.room.closed is not None:
            return
        try:
            if not message.startswith(_CUSTOM):
                raise UnknownMessage(f"text messages begin with {_CUSTOM}")
            self._relay(message.removeprefix(_CUSTOM).encode())
        except CollabError as error:
            self.end(error)


Y_PARTYSERVER = YPartyServer()
