"""The dialect of jupyter-collaboration's clients: the messages of `collab.dialects.y_websocket`, and "save".

    2 varstring("save") varuint   save: the client asks, under a number of its own
    2 varstring(JSON)             the answer: {"type": "save", "responseTo": NUMBER, "status": "success" or "failed"}

    J1  "success" comes when everything that came before it is committed, as an acknowledgement does; for a reader, too,
        as long as nothing was refused.
    J2  "failed" comes where that cannot be said: something was refused, or the client has not answered our sync step 1,
        so that what it did offline is not here.
    J3  Every save is answered, the last ones before the connection is closed: a client waits for an answer for ever,
        and does not ask again when it has come back. "failed" says what J2 says, also where an edit that waited for
        others is dropped, and where the commit is still to come.

Source: packages/docprovider/src/yprovider.ts and jupyter_server_ydoc/handlers.py of jupyter-collaboration 5.0. It
overlooks messages of types that it does not know; a refusal (2 0 …) is none of its answers to it, and a warning.
"""

import contextlib
import json
from typing import TYPE_CHECKING

from collab.codec import Reader, write_var_string, write_var_uint
from collab.dialects.y_websocket import YWebSocket
from collab.errors import CollabError, MalformedMessage, UnknownMessage
from collab.messages import ACK_REQUEST
from collab.ports import Connection
from collab.session import Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.room import Room

_RAW = b"\x02"
_SAVE = "save"


class Jupyter(YWebSocket):
    name = "jupyter"

    def session(self, room: "Room", grant: Grant, connection: Connection) -> Session:
        return _JupyterSession(room, grant, connection, self)

    def decode(self, message: bytes) -> tuple[int, bytes]:
        if not message.startswith(_RAW):
            kind, payload = super().decode(message)
            if kind == ACK_REQUEST:
                # Answers name the number that a save asks with, and here is none.
                raise UnknownMessage(f"whether all is saved is asked with the raw message {_SAVE!r}")
            return kind, payload
        reader = Reader(message[1:])
        if reader.var_string() != _SAVE:
            raise UnknownMessage(f"of raw messages there is {_SAVE!r} alone")
        number = reader.var_uint()
        if not reader.at_end:
            raise MalformedMessage("bytes left over after the message; send one message per WebSocket message")
        return ACK_REQUEST, write_var_uint(number)

    def acknowledgement(self, payload: bytes) -> bytes:
        return self.answer(payload, "success")

    def answer(self, payload: bytes, status: str) -> bytes:
        number = Reader(payload).var_uint()
        return _RAW + write_var_string(json.dumps({"type": _SAVE, "responseTo": number, "status": status}))


class _JupyterSession(Session):
    __slots__ = ("_answered", "_saves")

    def __init__(self, room: "Room", grant: Grant, connection: Connection, dialect: Jupyter) -> None:
        super().__init__(room, grant, connection, dialect)
        self._answered = False
        """The client has answered our sync step 1."""
        self._saves: dict[bytes, None] = {}
        """Asked for, and not answered yet."""

    def receive(self, message: bytes) -> None:
        if self.room.closed is None:
            super().receive(message)
        elif self.open and message.startswith(_RAW):
            with contextlib.suppress(CollabError):
                self._deny(JUPYTER.decode(message)[1])

    def _receive_update(self, payload: bytes, *, from_sync: bool) -> bool:
        taken = super()._receive_update(payload, from_sync=from_sync)
        self._answered |= from_sync
        return taken

    def _receive_ack_request(self, payload: bytes) -> None:
        if self.refused or not self._answered:
            self._deny(payload)
        else:
            self._acknowledge_when_saved(payload)

    def _acknowledge_when_saved(self, payload: bytes) -> None:
        self._saves[payload] = None
        super()._acknowledge_when_saved(payload)

    def _acknowledge(self, payload: bytes) -> None:
        self._saves.pop(payload, None)
        super()._acknowledge(payload)

    def _deny(self, payload: bytes) -> None:
        self._saves.pop(payload, None)
        self.send(JUPYTER.answer(payload, "failed"))

    def _part(self, error: CollabError) -> None:
        for payload in list(self._saves):
            self._deny(payload)
        super()._part(error)


JUPYTER = Jupyter()
