"""The two ways in which Yjs clients talk to servers: y-websocket, and Hocuspocus with a document name before it."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bench.generator.codec import read_varuint, sized, varuint
from bench.generator.frames import client_frame

_SYNC, _AUTH, _SYNC_REPLY, _SYNC_STATUS, _SAVED = 0, 2, 4, 8, 102
_STEP_1, _STEP_2, _UPDATE = 0, 1, 2


class Kind(Enum):
    STEP_1 = auto()
    STEP_2 = auto()
    UPDATE = auto()
    SAVED = auto()
    """The server says that something is stored."""
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one document is spoken of on one connection. All frames are ready to be sent."""

    path: str
    """Request target of the upgrade."""
    prefix: bytes
    """What stands before every message."""
    opening: bytes
    """Frames to send before anything else."""
    saved: bytes = b""
    """The frame in which the server says that one update is stored, when it says that of its own accord."""

    def step1(self, state_vector: bytes) -> bytes:
        return client_frame(self.prefix + bytes((_SYNC, _STEP_1)) + sized(state_vector))

    def step2(self, update: bytes) -> bytes:
        return client_frame(self.prefix + bytes((_SYNC, _STEP_2)) + sized(update))

    def update(self, update: bytes) -> bytes:
        return client_frame(self.prefix + bytes((_SYNC, _UPDATE)) + sized(update))

    def ask_saved(self, marker: int) -> bytes:
        """Coscribe's acknowledgement: the server sends the marker back once everything before it is stored."""
        return client_frame(self.prefix + varuint(_SAVED) + sized(varuint(marker)))

    def read(self, message: bytes) -> tuple[Kind, bytes]:
        """What a server's message is, and the update, state vector or marker in it."""
        if not message.startswith(self.prefix):
            return Kind.OTHER, b""
        position = len(self.prefix)
        kind = message[position]
        if kind in (_SYNC, _SYNC_REPLY):
            step = (Kind.STEP_1, Kind.STEP_2, Kind.UPDATE)[message[position + 1]]
            length, start = read_varuint(message, position + 2)
            return step, message[start : start + length]
        if kind == _SYNC_STATUS and self.prefix:
            return Kind.SAVED, message[position + 1 :]
        if kind == _SAVED and not self.prefix:
            length, start = read_varuint(message, position + 1)
            return Kind.SAVED, message[start : start + length]
        return Kind.OTHER, b""


HOCUSPOCUS_VERSION: Final = "4.7.0"


def y_websocket(room: str, base: str = "") -> Dialect:
    return Dialect(path=f"{base}/{room}", prefix=b"", opening=b"")


def hocuspocus(room: str, path: str = "/") -> Dialect:
    prefix = sized(room.encode())
    token, version = sized(b"bench"), sized(HOCUSPOCUS_VERSION.encode())
    opening = client_frame(prefix + bytes((_AUTH, 0)) + token + version)
    stored = prefix + bytes((_SYNC_STATUS, 1))
    return Dialect(path=path, prefix=prefix, opening=opening, saved=bytes((0x82, len(stored))) + stored)
