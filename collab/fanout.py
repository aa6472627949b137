"""One frame to everybody: the sessions of a room, grouped by dialect, without those that read too slowly.

F1  A message is encoded and framed once per dialect. (Where a frame names its document, as in Hocuspocus, there is one
    instance of the dialect for each such name.)
F2  A session whose transport buffer is full gets nothing more of the stream: its state vector is kept, and when
    the buffer has drained it gets one diff. It misses nothing and costs no memory meanwhile.
"""

from collections.abc import Callable

from collab.messages import Dialect
from collab.ports import FrameEncoder
from collab.session import Session


class FanOut:
    def __init__(self, frame: FrameEncoder) -> None:
        self._frame = frame
        self._sessions: dict[Session, Callable[[bytes], None] | None] = {}
        self._writes: tuple[tuple[Dialect, tuple[Callable[[bytes], None], ...]], ...] | None = ()
        """By dialect; None when somebody came or went since. A thousand who come at once are sorted once."""

    def add(self, session: Session) -> None:
        self._sessions[session] = None
        self._writes = None

    def discard(self, session: Session) -> None:
        if session in self._sessions:
            del self._sessions[session]
            self._writes = None

    def _regroup(self) -> tuple[tuple[Dialect, tuple[Callable[[bytes], None], ...]], ...]:
        groups: dict[Dialect, list[Callable[[bytes], None]]] = {}
        for session in self._sessions:
            write = self._sessions[session] = session.connection.write
            groups.setdefault(session.dialect, []).append(write)
        self._writes = tuple((dialect, tuple(writes)) for dialect, writes in groups.items())
        return self._writes

    def send(self, encode: Callable[[Dialect, bytes], bytes], payload: bytes, *, skip: Session | None) -> None:
        """Write to everybody but `skip`. A write may take its own session out; that holds from the next call on."""
        groups = self._writes
        if groups is None:
            groups = self._regroup()
        author, authors = (None, None) if skip is None else (self._sessions.get(skip), skip.dialect)
        for dialect, writes in groups:
            # Several documents may share a socket, and so its `write`; but not within one dialect.
            skipped = author if dialect is authors else None
            if len(writes) == 1 and writes[0] is skipped:
                continue
            frame = self._frame(encode(dialect, payload))
            remaining = iter(writes)
            while True:
                try:
                    for write in remaining:
                        if write is not skipped:
                            write(frame)
                    break
                except RuntimeError:
                    continue  # A dead socket whose end has not been reported yet: the others still get theirs.
