"""The y-sweet dialect: the messages of `collab.dialects.y_websocket`, and a heartbeat of message 102.

    102 varbytes   the version of the client's copy: the server echoes it after the commit

A y-sweet client calls its edits saved (`hasLocalChanges`) when its newest version comes back, so:

    Y1  A version is echoed when everything that came before it is committed, as in y-websocket; and nothing before the
        client has answered our sync step 1. It sends its version the moment the socket is open, offline edits counted
        in, and those edits with that answer.
    Y2  Of versions that wait for the same commit the newest alone is echoed: it stands for the others.
    Y3  The version is also the client's way to find out that the server is alive: for 3 s of silence after one it hangs
        up. While one waits, each that follows is answered by news of nobody, which says nothing about what is saved.
    Y4  A reader's is echoed as well, as long as nothing was refused: without an echo it would not notice a dead socket.

Source: src/provider.ts of @y-sweet/client 0.9.1. It overlooks messages of types that it does not know.
"""

from typing import TYPE_CHECKING, ClassVar

from collab.dialects.y_websocket import YWebSocket
from collab.errors import CollabError
from collab.ports import Connection
from collab.session import Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.committer import Batch, Outcome
    from collab.room import Room

_NOBODY = b"\x00"


class YSweet(YWebSocket):
    name = "y-sweet"

    def session(self, room: "Room", grant: Grant, connection: Connection) -> Session:
        return YSweetSession(room, grant, connection, self)


class _Owed:
    """The version that is echoed when a batch is committed."""

    __slots__ = ("batch", "session", "version")

    def __init__(self, session: "YSweetSession", batch: "Batch", version: bytes) -> None:
        self.session = session
        self.batch = batch
        self.version = version

    def __call__(self, outcome: "Outcome") -> None:
        if not isinstance(outcome, CollabError):
            self.session.batch_saved(self)


class YSweetSession(Session):
    counts_on: ClassVar[bool] = False

    __slots__ = ("_answered", "_early", "_owed")

    def __init__(self, room: "Room", grant: Grant, connection: Connection, dialect: YSweet) -> None:
        super().__init__(room, grant, connection, dialect)
        self._answered = False
        """The client has answered our sync step 1."""
        self._early: bytes | None = None
        """The newest version that came before that."""
        self._owed: _Owed | None = None
        """The newest of what a commit is waited for."""

    def batch_saved(self, owed: _Owed) -> None:
        """What came before the version is committed."""
        if self._owed is owed:
            self._owed = None
        if not self.refused:
            self._acknowledge(owed.version)

    def _receive_update(self, payload: bytes, *, from_sync: bool) -> bool:
        taken = super()._receive_update(payload, from_sync=from_sync)
        if from_sync and not self._answered:
            self._answered = True
            early, self._early = self._early, None
            if early is not None:
                self._receive_ack_request(early)
        return taken

    def _receive_ack_request(self, payload: bytes) -> None:
        if not self._answered:
            self._early = payload
        elif self.refused:
            self._show_life()
        elif self.held:
            if self.acks:
                self._show_life()
            self.acks = [payload]
        else:
            self._echo_when_saved(payload)

    def _echo_when_saved(self, version: bytes) -> None:
        batch = self.batch
        if batch is None:
            self._acknowledge(version)
        elif batch.outcome is not None:
            if isinstance(batch.outcome, CollabError):
                self._show_life()
            else:
                self._acknowledge(version)
        else:
            if self._owed is not None:
                self._show_life()
            if self._owed is not None and self._owed.batch is batch:
                self._owed.version = version
            else:
                self._owed = _Owed(self, batch, version)
                batch.when_done.append(self._owed)

    def _show_life(self) -> None:
        self.send(self.dialect.awareness(_NOBODY))


Y_SWEET = YSweet()
