"""A document for code in this process: a Doc of its own that follows the live document, and whose edits go the way of
everybody's. It is one more client of the room, without a socket.

E1  An edit is scanned, accepted, relayed, attributed to its grant and committed as if it came from outside.
E2  What `saved` has returned for is committed, as after an acknowledgement.
E3  Changes of others come between two transactions, never inside one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pycrdt import Doc

from collab.codec import Reader, write_var_uint
from collab.dialects.y_websocket import YWebSocket
from collab.errors import CollabError, PermissionDenied, RoomClosed
from collab.guard import Panicked, guarded
from collab.messages import ACK_REQUEST, SYNC_STEP_1, SYNC_STEP_2, UPDATE, Dialect
from collab.ports import Connection, FrameEncoder
from collab.session import READ_ONLY, Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.room import Room

REMOTE: Final = "remote"
"""The origin of what others did."""
_NOTHING: Final = b"\x00"
_NO_EDIT: Final = b"\x00\x00"
_REFUSAL: Final = b"\x02"


class _InProcess(YWebSocket):
    """The messages of y-websocket; errors arrive as they are, not as close codes."""

    name = "in-process"

    def session(self, room: "Room", grant: Grant, connection: Connection) -> Session:
        return _ReplicaSession(room, grant, connection, self)


class _ReplicaSession(Session):
    __slots__ = ()

    def _part(self, error: CollabError) -> None:
        assert isinstance(self.connection, _Line)
        self.connection.fail(error)


class _Line:
    """Between a session and its replica, where others have a socket: the `Connection`."""

    def __init__(self, write: Callable[[bytes], None], fail: Callable[[CollabError], None]) -> None:
        self.write = write
        self.fail = fail

    def close(self, code: int, reason: str) -> None:
        self.fail(RoomClosed(reason))

    def probe(self, timeout: float) -> None:
        """It is always there."""


IN_PROCESS: Final = _InProcess()


class Replica:
    """Made by `Hub.join`. `doc` is an ordinary pycrdt Doc: read it, observe it, edit it.

    Edits made outside of `transaction` count as well, each for itself. Callbacks of observers run on the event loop.
    """

    def __init__(self, unframe: FrameEncoder) -> None:
        self.doc: Doc[Any] = Doc()
        self.error: CollabError | None = None
        """Why it does not follow the document any more; it has to be opened anew then."""
        self._unframe = unframe
        self._loop = asyncio.get_running_loop()
        self._session: Session | None = None
        self._incoming: list[bytes] = []
        self._outgoing: list[bytes] = []
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._marker = 0
        self._applying = self._editing = self._scheduled = self._edited = self._synced = False
        self._subscription = self.doc.observe(self._observed)

    def begin(self, attach: Callable[[Connection, Dialect], Session]) -> None:
        """Begin to follow the document: whatever it holds is in `doc` when this returns.

        Raises:
            RoomClosed: not now.
        """
        self._session = session = attach(_Line(self._arrived, self._fail), IN_PROCESS)
        session.receive(IN_PROCESS.sync_step_1(_NOTHING))
        self._exchange()
        if not self._synced:
            error = self.error or RoomClosed("the document is being read again; try once more in a moment")
            self.close()
            raise error

    @contextlib.contextmanager
    def transaction(self, origin: object = None) -> Iterator[Doc[Any]]:
        """Edits in the block happen at once, for everybody. Do not wait for anything in it.

        Args:
            origin: what observers of this replica find in `event.transaction.origin`.
        """
        self._editing = True
        try:
            with self.doc.transaction(origin=origin):
                yield self.doc
        finally:
            self._editing = False
            self._schedule()

    async def saved(self) -> None:
        """Wait until every edit so far is committed.

        Raises:
            PermissionDenied: who edits may not write.
            CollabError: the edits were refused, or the document was closed; see `error`.
        """
        self._exchange()
        if self.error is not None:
            raise self.error
        if not self._edited or self._session is None:
            return
        self._marker += 1
        future = self._waiting[self._marker] = self._loop.create_future()
        self._session.receive(IN_PROCESS.acknowledgement(write_var_uint(self._marker)))
        await future

    @property
    def following(self) -> bool:
        """It was not closed."""
        return self._session is not None

    def close(self) -> None:
        """Leave the document; what was not saved is not waited for. Idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            self.doc.unobserve(self._subscription)
            session.closed()
            self._fail(RoomClosed("the replica was closed"))

    def _fail(self, error: CollabError) -> None:
        if self.error is None:
            self.error = error
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self.error)
        self._waiting.clear()

    def _arrived(self, frame: bytes) -> None:
        self._incoming.append(self._unframe(frame))
        self._schedule()

    def _observed(self, event: Any) -> None:
        if not self._applying and event.update != _NO_EDIT:
            self._outgoing.append(event.update)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._exchange)

    def _exchange(self) -> None:
        self._scheduled = False
        if self._editing:
            return  # Rule E3; the end of the transaction schedules it again.
        try:
            self._exchange_all(self._session)
        except Panicked:
            self._fail(RoomClosed("an edit could not be applied to the replica; open it anew"))
            if self._session is not None:
                self._session.closed()

    def _exchange_all(self, session: Session | None) -> None:
        while session is not None and session.open and (self._outgoing or self._incoming):
            outgoing, self._outgoing = self._outgoing, []
            for update in outgoing:
                self._edited = True
                session.receive(IN_PROCESS.update(update))
            incoming, self._incoming = self._incoming, []
            for message in incoming:
                self._receive(session, message)

    def _receive(self, session: Session, message: bytes) -> None:
        if message.startswith(_REFUSAL):
            self._fail(PermissionDenied(READ_ONLY))
            return
        kind, payload = IN_PROCESS.decode(message)
        if kind in (UPDATE, SYNC_STEP_2):
            self._apply(payload)
            self._synced = True
        elif kind == SYNC_STEP_1:
            session.receive(IN_PROCESS.sync_step_2(guarded(lambda: self.doc.get_update(payload))))
        elif kind == ACK_REQUEST:
            future = self._waiting.pop(Reader(payload).var_uint(), None)
            if future is not None and not future.done():
                future.set_result(None)

    def _apply(self, update: bytes) -> None:
        self._applying = True
        try:
            with self.doc.transaction(origin=REMOTE):
                guarded(lambda: self.doc.apply_update(update))
        finally:
            self._applying = False
