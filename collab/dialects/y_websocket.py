"""The y-websocket dialect: y-protocols messages, one per WebSocket message, one document per connection.

    0 0 varbytes   sync step 1           0 1 varbytes   sync step 2          0 2 varbytes   update
    1 varbytes     awareness             3              query awareness
    2 0 varstring  refusal (server to client only)
    102 varbytes   acknowledgement: the client asks, the server echoes after the commit
    104 varstring  epoch (server to client only): the lineage of the document
    105 varbytes   schema version, a varuint (server to client only) of the editor that the document was written with
    103 varbytes   role: the client asks with nothing in it, the server answers with JSON, now and at each change

Source: y-protocols PROTOCOL.md; y-websocket src/y-websocket.js; type 102 as in the y-sweet client. A stock
y-websocket client warns about types it does not know, so 102 and 103 go only to clients that sent one,
and 104 and 105 only to those that named an epoch or a schema version when they connected.
"""

import json
from typing import TYPE_CHECKING

from collab.codec import Reader, write_var_bytes, write_var_string, write_var_uint
from collab.errors import MalformedMessage, UnknownMessage
from collab.messages import ACK_REQUEST, AWARENESS, QUERY_AWARENESS, ROLE_REQUEST, SYNC_STEP_1, SYNC_STEP_2, UPDATE
from collab.ports import Connection
from collab.session import Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.room import Room

_SYNC = 0
_AWARENESS = 1
_QUERY_AWARENESS = 3
_ACKNOWLEDGEMENT = 102
_ROLE = 103
_EPOCH = 104
_SCHEMA = 105
_SYNC_KINDS = (SYNC_STEP_1, SYNC_STEP_2, UPDATE)
_ONE_PAYLOAD_KINDS = {_AWARENESS: AWARENESS, _ACKNOWLEDGEMENT: ACK_REQUEST, _ROLE: ROLE_REQUEST}


class YWebSocket:
    name = "y-websocket"
    stateless_is_text = False

    def session(self, room: "Room", grant: Grant, connection: Connection) -> Session:
        return Session(room, grant, connection, self)

    def decode(self, message: bytes) -> tuple[int, bytes]:
        # The message of every keystroke: sync, some kind, a payload shorter than 128 bytes that ends the message.
        if len(message) > 2 and message[0] == _SYNC and message[1] <= 2 and message[2] == len(message) - 3 < 128:
            return _SYNC_KINDS[message[1]], message[3:]
        return _decode_any(message)

    def sync_step_1(self, state_vector: bytes) -> bytes:
        return b"\x00\x00" + write_var_bytes(state_vector)

    def sync_step_2(self, update: bytes) -> bytes:
        return b"\x00\x01" + write_var_bytes(update)

    def update(self, update: bytes) -> bytes:
        return b"\x00\x02" + write_var_bytes(update)

    def awareness(self, payload: bytes) -> bytes:
        return b"\x01" + write_var_bytes(payload)

    def acknowledgement(self, payload: bytes) -> bytes:
        return b"\x66" + write_var_bytes(payload)

    def epoch(self, epoch: str) -> bytes:
        return bytes((_EPOCH,)) + write_var_string(epoch)

    def schema(self, version: int) -> bytes:
        return bytes((_SCHEMA,)) + write_var_bytes(write_var_uint(version))

    def refusal(self, reason: str) -> bytes:
        return b"\x02\x00" + write_var_string(reason)

    def role(self, role: str) -> bytes:
        return b"\x67" + write_var_string(json.dumps({"role": role}))

    def stateless(self, text: bytes) -> bytes | None:
        return None


def _decode_any(message: bytes) -> tuple[int, bytes]:
    reader = Reader(message)
    message_type = reader.var_uint()
    if message_type == _SYNC:
        sync_type = reader.var_uint()
        if sync_type > 2:
            raise UnknownMessage(f"unknown sync message type {sync_type}")
        kind = _SYNC_KINDS[sync_type]
    elif message_type in _ONE_PAYLOAD_KINDS:
        kind = _ONE_PAYLOAD_KINDS[message_type]
    elif message_type == _QUERY_AWARENESS:
        if not reader.at_end:
            raise MalformedMessage("bytes left over after a query-awareness message")
        return QUERY_AWARENESS, b""
    else:
        raise UnknownMessage(f"unknown message type {message_type}")
    payload = reader.var_bytes()
    if not reader.at_end:
        raise MalformedMessage("bytes left over after the message; send one message per WebSocket message")
    return kind, payload


Y_WEBSOCKET = YWebSocket()
