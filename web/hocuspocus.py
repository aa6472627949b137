"""WebSocket to sessions for Hocuspocus clients: many documents on one socket, each let in by the door on its own.

    P5  Nothing under a key takes effect before the door has let in whoever opened it. What comes earlier waits, bounded
        for the whole socket in documents, messages and bytes; and there is a time by which the first one has to be in.
    P6  A document fails alone. But what is worth another try ends the socket: coming back with a new one is the only
        way in which a provider tries again.
    P7  A token that comes anew is judged as the first one was. One that does not count changes nothing: what the
        earlier one gave ends when that ends.

A provider sends its token with each document. An empty one says: whoever the handshake has shown, by a cookie or by a
token in the address. So does a client that sends no tokens at all, as providers before version 4 do without one.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from collab.dialects.hocuspocus import (
    AUTH,
    CLOSE,
    KEEP_ALIVE,
    PING,
    PONG,
    Hocuspocus,
    HocuspocusSession,
    Key,
    Token,
    asks_to_sync,
    dialect_for,
    read_key,
    read_token,
    read_type,
)
from collab.errors import (
    CollabError,
    LimitExceeded,
    MalformedMessage,
    NotAuthenticated,
    PermissionDenied,
    StoreError,
)
from collab.ports import Connection
from collab.session import Session
from web.routing import Admission, Entrance
from web.security import Action
from web.state import AppWebSocket, State, state_of
from web.sync import connect
from web.transport import Receiver, encode_frame
from web.visitor import Standing
from web.watch import Seat

log = structlog.get_logger(__name__)

_TIMED_OUT = 4408
_BROKEN = 1011
_RENEW_SECONDS = 30.0
"""So long before somebody's right to be there ends, the client is asked for its token; at most half the time before."""
_RENEW_SECONDS_MIN = 0.25
"""Whoever has this little left was asked often enough."""


async def share(websocket: AppWebSocket, entrance: Entrance) -> None:
    """Serve one Hocuspocus client."""

    def open_receiver(connection: Connection) -> Receiver:
        return HocuspocusSocket(connection, state_of(websocket), _Handshake(websocket), entrance)

    await connect(websocket, open_receiver, encode_frame(KEEP_ALIVE))


class _Handshake:
    """What a token that comes later is judged together with."""

    def __init__(self, websocket: AppWebSocket) -> None:
        self._scope = {
            "type": "websocket",
            "scheme": websocket.scope["scheme"],
            "client": websocket.scope.get("client"),
            "query_string": b"",
        }
        self._headers = [line for line in websocket.scope["headers"] if line[0] in (b"host", b"origin")]

    def with_token(self, token: str) -> HTTPConnection[Any]:
        """The request that a client makes by sending `token`.

        Raises:
            NotAuthenticated: no token looks like this.
        """
        if not token.isascii() or not token.isprintable():
            raise NotAuthenticated("the token has characters that no token has")
        bearer = (b"authorization", b"Bearer " + token.encode())
        return HTTPConnection({**self._scope, "headers": [*self._headers, bearer]})


class Slot:
    """One key on a socket, from its first message to its end: a `DocumentConnection`."""

    __slots__ = (
        "_socket",
        "_timer",
        "dialect",
        "document",
        "next_token",
        "seat",
        "session",
        "task",
        "version",
        "waiting",
    )

    def __init__(self, socket: "HocuspocusSocket", key: Key) -> None:
        self._socket = socket
        self._timer: asyncio.TimerHandle | None = None
        self.dialect: Hocuspocus = dialect_for(key)
        self.document = key.document
        self.waiting: list[bytes] = []
        """What came before it was open."""
        self.task: asyncio.Task[None] | None = None
        """Looks at its token."""
        self.next_token: str | None = None
        """Came while the one before was looked at."""
        self.version: str | None = None
        """Of the provider; None before 4, and before it is known."""
        self.session: Session | None = None
        self.seat: Seat | None = None

    # collab.dialects.hocuspocus.DocumentConnection

    @property
    def write(self) -> Callable[[bytes], None]:
        return self._socket.connection.write

    @property
    def stops_at_zero(self) -> bool:
        return self.version is not None

    def close(self, code: int, reason: str) -> None:
        self._socket.connection.close(code, reason)

    def probe(self, timeout: float) -> None:
        self._socket.connection.probe(timeout)

    def part(self, error: CollabError) -> None:
        if _ends_socket(error):
            self.close(error.close_code, str(error))
            return
        # Providers before 4 do not all know the message that closes a document.
        say = self.dialect.denied if self.version is None else self.dialect.closed
        self.send(say(str(error)))
        self._socket.forget(self)

    def leave(self) -> None:
        self._socket.forget(self)

    def renew(self, token: str) -> None:
        self.next_token = token
        self._socket.look_again(self)

    # for the socket

    def send(self, message: bytes) -> None:
        with contextlib.suppress(RuntimeError):
            self._socket.connection.write(encode_frame(message))

    def ask_again(self, standing: Standing) -> None:
        """Ask for the token in time before what `standing` says ends."""
        self._stop_timer()
        if standing.until is not None and self.version is not None:
            left = standing.until - time.time()
            if left < _RENEW_SECONDS_MIN:
                return
            wait = max(left / 2, left - _RENEW_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(wait, self.send, self.dialect.token_wanted())

    def end(self) -> None:
        """Nothing of it is left. Idempotent."""
        self._stop_timer()
        task, self.task = self.task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        seat, session, self.seat, self.session = self.seat, self.session, None, None
        if seat is not None:
            seat.closed()
        elif session is not None:
            session.closed()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HocuspocusSocket:
    """The `Receiver` of one socket."""

    def __init__(self, connection: Connection, state: State, handshake: _Handshake, entrance: Entrance) -> None:
        self.connection = connection
        self._state = state
        self._settings = state["settings"]
        self._handshake = handshake
        self._visitor = entrance.visitor
        self._taken, entrance.places[:] = list(entrance.places), ()
        """Each gives a place back that the socket takes."""
        self._users: set[str] = set()
        """Who takes a place by this socket."""
        self._receivers: dict[bytes, Callable[[bytes], None]] = {}
        """The sessions' own methods, by the beginning of a message."""
        self._slots: dict[bytes, Slot] = {}
        self._unopened = 0
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._denials = 0
        self._has_sent_token = False
        self._ready = True
        self._closed = False
        self._deadline: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
            self._settings.unauthenticated_seconds,
            connection.close,
            _TIMED_OUT,
            "no document was opened in time",
        )

    # web.transport.Receiver

    def receive(self, message: bytes) -> None:
        # A key of less than 128 bytes has its length in the first byte.
        receive = self._receivers.get(message[: message[0] + 1]) if message else None
        if receive is not None:
            receive(message)
        else:
            self._receive_other(message)

    def writable(self, ready: bool) -> None:
        self._ready = ready
        for slot in list(self._slots.values()):
            if slot.session is not None:
                slot.session.writable(ready)

    def closed(self) -> None:
        self._closed = True
        self._stop_deadline()
        slots = list(self._slots.values())
        self._slots.clear()
        self._receivers.clear()
        for slot in slots:
            slot.end()
        for give_back in self._taken:
            give_back()

    # -- before a document is open

    def _receive_other(self, message: bytes) -> None:
        try:
            if len(message) == 1:
                self._receive_bare(message)
                return
            key = read_key(message)
            receive = self._receivers.get(key.prefix)
            if receive is not None:
                receive(message)
            else:
                self._receive_early(key, message)
        except CollabError as error:
            self._state["heart"].refused(error.close_code, str(error), self._visitor.address)
            self.connection.close(error.close_code, str(error))

    def _receive_bare(self, message: bytes) -> None:
        if message == PING:
            with contextlib.suppress(RuntimeError):
                self.connection.write(encode_frame(PONG))
        elif message != PONG:
            raise MalformedMessage("a message begins with the key of a document")

    def _receive_early(self, key: Key, message: bytes) -> None:
        kind = read_type(message, key.prefix)
        slot = self._slots.get(key.prefix)
        if kind == CLOSE:
            if slot is not None:
                self.forget(slot)
            return
        token = read_token(message, key.prefix) if kind == AUTH else None
        slot = slot or self._new_slot(key)
        if token is not None:
            self._has_sent_token = True
            self._receive_token(slot, token)
            return
        self._keep(slot, message)
        if not self._has_sent_token and slot.task is None and asks_to_sync(message, key.prefix):
            self._look(slot, "")

    def _new_slot(self, key: Key) -> Slot:
        if self._unopened >= self._settings.unauthenticated_documents_max:
            raise LimitExceeded("too many documents wait to be opened on this socket")
        slot = self._slots[key.prefix] = Slot(self, key)
        self._unopened += 1
        return slot

    def _keep(self, slot: Slot, message: bytes) -> None:
        self._waiting_messages += 1
        self._waiting_bytes += len(message)
        slot.waiting.append(message)
        if self._waiting_messages > self._settings.unauthenticated_messages_max:
            raise LimitExceeded("too many messages for documents that are not open")
        if self._waiting_bytes > self._settings.unauthenticated_bytes_max:
            raise LimitExceeded("too many bytes for documents that are not open")

    def _take_waiting(self, slot: Slot) -> list[bytes]:
        waiting, slot.waiting = slot.waiting, []
        self._waiting_messages -= len(waiting)
        self._waiting_bytes -= sum(map(len, waiting))
        return waiting

    # -- tokens

    def _receive_token(self, slot: Slot, token: Token) -> None:
        slot.version = token.version
        slot.renew(token.token)

    def look_again(self, slot: Slot) -> None:
        """Judge a slot's newest token, if none of it is being judged: then it comes next."""
        if slot.task is None and slot.next_token is not None:
            token, slot.next_token = slot.next_token, None
            self._look(slot, token)

    def _look(self, slot: Slot, token: str) -> None:
        work = self._open(slot, token) if slot.session is None else self._renew(slot, token)
        slot.task = asyncio.get_running_loop().create_task(self._guard(slot, work))

    async def _guard(self, slot: Slot, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a document of a shared socket failed; the connection is closed")
            self.connection.close(_BROKEN, "internal error")
        finally:
            slot.task = None
        if self._holds(slot):
            self.look_again(slot)

    def _holds(self, slot: Slot) -> bool:
        return self._slots.get(slot.dialect.prefix) is slot

    async def _judge(self, slot: Slot, token: str) -> Admission:
        """
        Raises:
            HTTPException, CollabError: the door does not let them in.
        """
        await self._state["turnstile"].turn()
        door, moment = self._state["door"], self._state["watch"].moment
        if token and self._settings.auth != "none":
            connection = self._handshake.with_token(token)
            grant, visitor, standing = await door.admit_visitor(connection, slot.document, Action.CONNECT)
        else:
            visitor = self._visitor
            grant, standing = await door.admit_known(visitor, slot.document, Action.CONNECT)
        if visitor.user_id is not None and visitor.user_id not in self._users:
            self._taken.append(self._state["places"].take_user(visitor.user_id))
            self._users.add(visitor.user_id)
        return Admission(grant, visitor, standing, moment, self._taken)

    async def _open(self, slot: Slot, token: str) -> None:
        try:
            if len(self._slots) > self._settings.documents_per_socket_max:
                raise LimitExceeded("too many documents are open on this socket")
            admission = await self._judge(slot, token)
            room = await self._state["hub"].open(admission.grant)
        except (CollabError, HTTPException) as error:
            if self._holds(slot):
                self._deny(slot, error)
            return
        if not self._holds(slot) or self._closed:
            return
        if room.closed is not None:
            self._deny(slot, room.closed)
            return
        self._stop_deadline()
        slot.send(slot.dialect.role(admission.grant.role.name.lower()))
        session = self._state["hub"].attach(room, admission.grant, slot, slot.dialect)
        if not session.open:
            return  # The socket is being closed.
        self._unopened -= 1
        slot.session = session
        if not self._settings.local_only:
            slot.seat = self._state["watch"].seat(session, admission.visitor, admission.standing, admission.moment)
            slot.ask_again(admission.standing)
        self._receivers[slot.dialect.prefix] = session.receive
        if not self._ready:
            session.writable(False)
        for message in self._take_waiting(slot):
            session.receive(message)

    async def _renew(self, slot: Slot, token: str) -> None:
        try:
            admission = await self._judge(slot, token)
        except (CollabError, HTTPException) as error:
            if slot.session is not None and not _ends_socket(error):
                self._count_denial()
                slot.send(slot.dialect.denied(_text(error)))
            return
        session, grant = slot.session, admission.grant
        if not isinstance(session, HocuspocusSession):
            return  # It has ended meanwhile.
        if session.grant.user_id not in (None, grant.user_id):
            session.end(PermissionDenied("this token is somebody else's; open the document anew"))
            return
        if slot.seat is not None:
            self._state["watch"].renew(slot.seat, admission.visitor, admission.standing, admission.moment)
            slot.ask_again(admission.standing)
        told = grant.may_write != session.grant.may_write
        session.regrant(grant)
        if not told:
            slot.send(slot.dialect.role(grant.role.name.lower()))

    def _deny(self, slot: Slot, error: CollabError | HTTPException) -> None:
        if _ends_socket(error):
            assert isinstance(error, CollabError)
            self.connection.close(error.close_code, str(error))
            return
        slot.send(slot.dialect.denied(_text(error)))
        token = slot.next_token
        self.forget(slot)
        self._count_denial()
        if token is not None and not self._closed:
            # The right one came while the wrong one was looked at; what waited was for whichever is right.
            again = self._new_slot(Key(slot.dialect.prefix, slot.document))
            again.version = slot.version
            self._look(again, token)

    def _count_denial(self) -> None:
        self._denials += 1
        if self._denials > self._settings.unauthenticated_messages_max:
            self.connection.close(LimitExceeded.close_code, "too many tokens were refused")

    def forget(self, slot: Slot) -> None:
        """A document is not on this socket any more."""
        if self._holds(slot):
            del self._slots[slot.dialect.prefix]
            self._receivers.pop(slot.dialect.prefix, None)
            self._unopened -= slot.session is None
            self._take_waiting(slot)
            slot.end()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _ends_socket(error: CollabError | HTTPException) -> bool:
    """Rule P6."""
    if isinstance(error, HTTPException):
        return False
    return error.retryable or type(error) is StoreError


def _text(error: CollabError | HTTPException) -> str:
    return error.detail if isinstance(error, HTTPException) else str(error)
