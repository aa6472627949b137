"""One WebSocket client: handshake, sync, and then as little work as possible for each chunk of bytes that arrives."""

import socket
from collections.abc import Callable
from typing import Final

from bench.generator.codec import EMPTY_STATE_VECTOR, EMPTY_UPDATE
from bench.generator.dialects import Dialect, Kind
from bench.generator.frames import BINARY, CLOSE, PING, PONG, client_frame, locate_frame
from bench.generator.stream import Stream

_REQUEST: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: coscribe-bench\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: Y29zY3JpYmUtYmVuY2gtMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

_SEND_BYTES: Final = 262_144

Address = tuple[str, int]


class Client:
    """One connection to one document.

    Args:
        stream: what the client's room receives once it is synced; None keeps every update in `updates` instead.
        state_vector: what the client says it has.
        answer: the frame that answers the server's sync step 1, given the server's state vector.
        receive_buffer: SO_RCVBUF in bytes; None leaves it to the system.
    """

    __slots__ = (
        "_answer",
        "_rest",
        "address",
        "arrivals",
        "blocked",
        "connected_at",
        "dialect",
        "error",
        "late",
        "missed",
        "opened",
        "outbox",
        "own_id",
        "position",
        "saved",
        "sock",
        "started_at",
        "state_vector",
        "stream",
        "synced_at",
        "updates",
    )

    def __init__(
        self,
        address: Address,
        dialect: Dialect,
        *,
        stream: Stream | None = None,
        state_vector: bytes = EMPTY_STATE_VECTOR,
        answer: Callable[[bytes], bytes] | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.address = address
        self.dialect = dialect
        self.stream = stream
        self.state_vector = state_vector
        self.position = 0
        """How far into `stream` the client is, in bytes."""
        self.arrivals: list[tuple[float, int]] = []
        """When `position` became what."""
        self.missed: dict[bytes, int] = {}
        """Frames before `position` that have not come, and their numbers."""
        self.late: list[tuple[float, int]] = []
        """When frames came after all, and their numbers."""
        self.own_id: int | None = None
        """Yjs client id under which it writes. Its own edits may come back to it or not."""
        self.updates: list[tuple[float, bytes]] = []
        """Updates that came before the client was synced, the sync step 2 included, or all without a stream."""
        self.saved: list[bytes] = []
        """Acknowledgements, in order."""
        self.outbox = bytearray()
        """What the server's socket has not taken yet."""
        self.blocked: Callable[[Client], None] | None = None
        """Called when bytes begin to wait in `outbox`."""
        self.opened = False
        self.error: str | None = None
        self.started_at = self.connected_at = self.synced_at = 0.0
        self._answer = answer
        self._rest = b""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

    # --- sending ------------------------------------------------------------------------------------------------------

    def send(self, frames: bytes | memoryview) -> None:
        """Hand ready-made frames to the socket; what it does not take now goes out when it is writable."""
        if self.error is not None:
            return
        if self.outbox:
            self.outbox += frames
            return
        taken = self._try_send(frames)
        if taken < len(frames):
            self.outbox += frames[taken:]
            if self.blocked is not None:
                self.blocked(self)

    def _try_send(self, frames: bytes | memoryview) -> int:
        try:
            return self.sock.send(frames)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.error = str(error)
            return 0

    def writable(self, now: float) -> None:
        """The connection is there, or the socket takes bytes again."""
        if not self.connected_at:
            if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.error = f"connection refused ({code})"
                return
            self.connected_at = now
            self.send(_REQUEST.format(path=self.dialect.path, port=self.address[1]).encode())
        elif self.outbox:
            with memoryview(self.outbox) as pending:
                taken = self._try_send(pending[:_SEND_BYTES])
            del self.outbox[:taken]

    # --- receiving ----------------------------------------------------------------------------------------------------

    def received(self, data: bytes, now: float) -> None:
        """Take what one read of the socket gave."""
        stream = self.stream
        if stream is not None and not self._rest and stream.data.startswith(data, self.position):
            self.position += len(data)
            self.arrivals.append((now, self.position))
        elif stream is not None and not self._rest and self._received_saved(stream, data, now):
            return
        elif self.opened:
            self._read_frames(data, now)
        else:
            self._read_response(data, now)

    def _received_saved(self, stream: Stream, data: bytes, now: float) -> bool:
        """The same for what begins or ends with news of what is stored: of each update, where a server counts them."""
        frame = self.dialect.saved
        if not frame:
            return False
        size, start, end = len(frame), 0, len(data)
        while data.startswith(frame, start):
            start += size
        while end - size >= start and data.endswith(frame, start, end):
            end -= size
        count = (start + len(data) - end) // size
        if not count or not stream.data.startswith(data[start:end], self.position):
            return False
        self.saved += [b"\x01"] * count
        if end > start:
            self.position += end - start
            self.arrivals.append((now, self.position))
        return True

    def _read_response(self, data: bytes, now: float) -> None:
        data = self._rest + data
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
            return
        if not head.startswith(b"HTTP/1.1 101"):
            self.error = head.split(b"\r\n", 1)[0].decode("latin-1")
            return
        self.opened = True
        self._rest = b""
        self.send(self.dialect.opening + self.dialect.step1(self.state_vector))
        if rest:
            self._read_frames(rest, now)

    def _read_frames(self, data: bytes, now: float) -> None:
        before = self.position
        data = self._with_beginning(data)
        position = 0
        while (located := locate_frame(data, position)) is not None:
            opcode, start, end = located
            if opcode == BINARY:
                self._read_message(data[position:end], data[start:end], now)
            elif opcode == PING:
                self.send(client_frame(data[start:end], PONG))
            elif opcode == CLOSE:
                code = int.from_bytes(data[start : start + 2], "big")
                self.error = f"closed with {code} {data[start + 2 : end].decode(errors='replace')}".strip()
            position = end
        self._rest = data[position:]
        if self.position > before:
            self.arrivals.append((now, self.position))

    def _with_beginning(self, data: bytes) -> bytes:
        """The bytes from the beginning of the frame that `data` goes on with."""
        if self._rest:
            return self._rest + data
        if self.stream is None:
            return data
        start = self.stream.start(self.stream.index(self.position))
        if start == self.position:
            return data
        beginning = bytes(self.stream.data[start : self.position])
        self.position = start
        return beginning + data

    def _read_message(self, frame: bytes, message: bytes, now: float) -> None:
        kind, payload = self.dialect.read(message)
        if kind is Kind.UPDATE or kind is Kind.STEP_2:
            if self.stream is None or not self.synced_at:
                self.updates.append((now, payload))
            else:
                self._advance(self.stream, frame, payload, now)
            if kind is Kind.STEP_2 and not self.synced_at:
                self.synced_at = now
        elif kind is Kind.STEP_1:
            self.send(self._answer(payload) if self._answer else self.dialect.step2(EMPTY_UPDATE))
        elif kind is Kind.SAVED:
            self.saved.append(payload)

    def _advance(self, stream: Stream, frame: bytes, update: bytes, now: float) -> None:
        if stream.data.startswith(frame, self.position):
            self.position += len(frame)
            return
        if (late := self.missed.pop(frame, None)) is not None:
            self.late.append((now, late))
            return
        here = stream.index(self.position)
        found = stream.find(frame, here)
        if found is None and stream.append(frame, update):
            found = len(stream.ends) - 1
        if found is None:
            stream = self.stream = stream.branch(self.position, frozenset(self.missed.values()))
            self.missed = {}
            stream.append(frame, update)
            here = found = len(stream.ends) - 1
        for index in range(here, found):
            self.missed[stream.frame(index)] = index
        self.position = stream.ends[found]

    def lacks(self) -> int:
        """Characters by others that are in the stream and have not come here."""
        stream = self.stream
        if stream is None or (not self.missed and self.position == len(stream.data)):
            return 0
        later = range(stream.index(self.position), len(stream.ends))
        frames = (index for index in (*self.missed.values(), *later) if stream.authors[index] != self.own_id)
        return sum(
            end - first for index in frames for client, first, end in stream.ranges[index] if client != self.own_id
        )

    def lost(self) -> None:
        if self.error is None:
            self.error = "connection lost"
