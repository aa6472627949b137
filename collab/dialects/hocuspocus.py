"""The Hocuspocus dialect, version 4: many documents on one socket, each under a key that begins every message.

    key 0 0|1|2 varbytes   sync step 1, sync step 2, update, as in y-protocols
    key 1 varbytes         awareness            key 3   query awareness
    key 2 0 varstring [varstring]   the client's token, and its version
    key 2 2 varstring      accepted: "read-write" or "readonly" (server to client only)
    key 2 1 varstring      denied, with the reason              (server to client only)
    key 2 0                the token is wanted once more        (server to client only)
    key 5 varstring        stateless: passed on, kept nowhere
    key 7 [varstring]      closes one document; from the server with the reason
    key 8 0|1              sync status: something was refused; something is saved (server to client only)
    9, 10                  ping and pong, bare

The key is a varstring: the document's name or, for providers that are aware of sessions, `name NUL session`. It is
taken as a whole: what comes under one key never reaches what was opened under another. Types 4 and 6 are for servers
among each other; they are refused. What concerns the socket rather than a document is in `web.hocuspocus`.

Source: `src/` of @hocuspocus/provider 4.8, 3.4 and 2.15, and of @hocuspocus/server 4.7.

How a provider counts: `unsyncedChanges` is 1 when it sends its sync step 1, and grows by one with each update. Each
sync status of 1 takes one off, and none says which message it is for. At 0 the provider says that everything is saved,
so one status too many is a lie, and one too few a document that never is:

    P1  A status of 1 goes out only after the commit of what it answers, and of everything that came before that.
    P2  One for each update, and one for the first sync step 2 after each sync step 1 of the client: not for a sync
        step 2 that we asked for on our own account.
    P3  With a new sync step 1 the client has begun to count anew: what it sent before is not answered any more.
        Nor are updates that a provider made while it was offline and sends after its sync step 1, which covers them.
        Of one that only deletes nobody can say. A provider that stops at 0 gets its status last of all, when nothing
        else is waited for; one that goes on to -1, as before version 4, gets none: rather one too few.
    P4  Between sync step 1 and sync step 2 nothing is answered: then all of it at once. So 0 is not reached before
        what the client did offline is saved.
"""

import contextlib
import re
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, cast
from weakref import WeakValueDictionary

from collab.codec import Reader, decode_state_vector, write_var_bytes, write_var_string
from collab.errors import CollabError, LimitExceeded, MalformedMessage, UnknownMessage
from collab.messages import AWARENESS, LEAVE, QUERY_AWARENESS, STATELESS, SYNC_STEP_1, SYNC_STEP_2, TOKEN, UPDATE
from collab.ports import Connection
from collab.scanner import ScannedUpdate, scan_update
from collab.session import READ_ONLY, Session
from collab.types import DOCUMENT_ID_BYTES_MAX, Grant

if TYPE_CHECKING:
    from collab.committer import Batch, Outcome
    from collab.room import Room

PING = b"\x09"
PONG = b"\x0a"
KEEP_ALIVE = b"\x00\x01\x01\x00"
"""No news of anybody, under a key that no document has: every version of the provider notices that something came, and
looks no further. Versions before 4 do not know the ping."""

_SYNC = 0
_AWARENESS = 1
AUTH = 2
_QUERY_AWARENESS = 3
_STATELESS = 5
CLOSE = 7
_SYNC_KINDS = (SYNC_STEP_1, SYNC_STEP_2, UPDATE)
_SESSION = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)
KEY_BYTES_MAX = DOCUMENT_ID_BYTES_MAX + 1 + 64
_ASKS_MAX = 256


class Key(NamedTuple):
    prefix: bytes
    """The key as it stands at the beginning of every message, with its length."""
    document: str
    """The name in it, which may not be one that a document can have."""


def read_key(message: bytes) -> Key:
    """The key of a message.

    Raises:
        MalformedMessage: there is none.
        LimitExceeded: it is longer than any key.
        UnknownMessage: the session in it is none.
    """
    reader = Reader(message)
    text = reader.var_string()
    prefix = message[: reader.position]
    if len(prefix) > KEY_BYTES_MAX + 2:
        raise LimitExceeded(f"a key may have {KEY_BYTES_MAX} bytes")
    document, separator, session = text.partition("\0")
    if separator and _SESSION.fullmatch(session) is None:
        raise UnknownMessage("behind the NUL of a key there are 1 to 64 visible ASCII characters")
    return Key(prefix, document)


class Token(NamedTuple):
    token: str
    version: str | None
    """Of the provider; None before 4."""


def read_type(message: bytes, prefix: bytes) -> int:
    """The type of a message whose key is known.

    Raises:
        MalformedMessage: it has none.
    """
    return Reader(message, len(prefix)).var_uint()


def asks_to_sync(message: bytes, prefix: bytes) -> bool:
    """Whether it is a sync step 1."""
    return message[len(prefix) : len(prefix) + 2] == b"\x00\x00"


def read_token(message: bytes, prefix: bytes) -> Token:
    """The token in an AUTH message. What a newer provider may add behind it is not looked at.

    Raises:
        MalformedMessage: there is none.
        UnknownMessage: it is not what a client sends.
    """
    reader = Reader(message, len(prefix))
    reader.var_uint()
    if reader.var_uint() != 0:
        raise UnknownMessage("clients send tokens, not verdicts")
    token = reader.var_string()
    return Token(token, None if reader.at_end else reader.var_string())


class DocumentConnection(Connection, Protocol):
    """One document of a socket, as its session sees it."""

    @property
    def stops_at_zero(self) -> bool:
        """The provider does not count below 0."""
        ...

    def part(self, error: CollabError) -> None:
        """The session ends; tell the client."""
        ...

    def leave(self) -> None:
        """The client has closed the document."""
        ...

    def renew(self, token: str) -> None:
        """The client has sent its token once more."""
        ...


class Hocuspocus:
    """The framing of one key; `dialect_for` makes them."""

    name = "hocuspocus"
    stateless_is_text = False

    __slots__ = ("__weakref__", "_body", "prefix", "saved")

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.saved = prefix + b"\x08\x01"
        self._body = len(prefix)

    def session(self, room: "Room", grant: Grant, connection: Connection) -> "HocuspocusSession":
        return HocuspocusSession(room, grant, connection, self)

    def decode(self, message: bytes) -> tuple[int, bytes]:
        # The message of every keystroke, as in `collab.dialects.y_websocket`.
        at = self._body
        size = len(message) - at - 3
        if 0 <= size < 128 and message[at] == _SYNC and message[at + 1] <= 2 and message[at + 2] == size:
            return _SYNC_KINDS[message[at + 1]], message[at + 3 :]
        return _decode_any(message, at)

    def sync_step_1(self, state_vector: bytes) -> bytes:
        return self.prefix + b"\x00\x00" + write_var_bytes(state_vector)

    def sync_step_2(self, update: bytes) -> bytes:
        return self.prefix + b"\x00\x01" + write_var_bytes(update)

    def update(self, update: bytes) -> bytes:
        return self.prefix + b"\x00\x02" + write_var_bytes(update)

    def awareness(self, payload: bytes) -> bytes:
        return self.prefix + b"\x01" + write_var_bytes(payload)

    def acknowledgement(self, payload: bytes) -> bytes:
        return self.saved

    def refusal(self, reason: str) -> bytes:
        return self.prefix + b"\x08\x00"

    def role(self, role: str) -> bytes:
        """Accepted: the document is open, or the role in it has changed."""
        return self.prefix + b"\x02\x02" + write_var_string("read-write" if role in ("editor", "owner") else "readonly")

    def epoch(self, epoch: str) -> bytes:
        raise NotImplementedError("a Hocuspocus provider names no epoch, and has no word for one")

    def schema(self, version: int) -> bytes:
        raise NotImplementedError("a Hocuspocus provider names no schema version, and has no word for one")

    def stateless(self, text: bytes) -> bytes | None:
        return self.prefix + b"\x05" + write_var_bytes(text)

    def denied(self, reason: str) -> bytes:
        """The document cannot be opened, or the token that came anew does not count."""
        return self.prefix + b"\x02\x01" + write_var_string(reason)

    def token_wanted(self) -> bytes:
        return self.prefix + b"\x02\x00"

    def closed(self, reason: str) -> bytes:
        """The document was open, and is not any more."""
        return self.prefix + b"\x07" + write_var_string(reason)


def _decode_any(message: bytes, position: int) -> tuple[int, bytes]:
    reader = Reader(message, position)
    message_type = reader.var_uint()
    payload = b""
    if message_type == _SYNC:
        sync_type = reader.var_uint()
        if sync_type > 2:
            raise UnknownMessage(f"unknown sync message type {sync_type}")
        kind, payload = _SYNC_KINDS[sync_type], reader.var_bytes()
    elif message_type == _AWARENESS:
        kind, payload = AWARENESS, reader.var_bytes()
    elif message_type == _QUERY_AWARENESS:
        kind = QUERY_AWARENESS
    elif message_type == _STATELESS:
        kind, payload = STATELESS, reader.var_string().encode()
    elif message_type == AUTH:
        return TOKEN, read_token(message, message[:position]).token.encode()
    elif message_type == CLOSE:
        kind = LEAVE
    else:
        raise UnknownMessage(f"unknown message type {message_type}")
    if not reader.at_end:
        raise MalformedMessage("bytes left over after the message; send one message per WebSocket message")
    return kind, payload


_dialects: WeakValueDictionary[bytes, Hocuspocus] = WeakValueDictionary()


def dialect_for(key: Key) -> Hocuspocus:
    """The one for this key: the same for everybody who opens the same document under the same key now."""
    dialect = _dialects.get(key.prefix)
    if dialect is None:
        dialect = _dialects[key.prefix] = Hocuspocus(key.prefix)
    return dialect


class _Ask(IntEnum):
    """Why the client was asked for what the document lacks, and so how its answer is answered."""

    OURS = 0
    """On our own account: not at all."""
    SYNC = 1
    """It asked first: rule P2."""
    PROMOTED = 2
    """It may write now: with a status for each message that was refused before."""


class _Owed:
    """Statuses that go out when a batch is committed."""

    __slots__ = ("batch", "count", "round", "session")

    def __init__(self, session: "HocuspocusSession", batch: "Batch", count: int, number: int) -> None:
        self.session = session
        self.batch = batch
        self.count = count
        self.round = number

    def __call__(self, outcome: "Outcome") -> None:
        if not isinstance(outcome, CollabError):
            self.session.batch_saved(self)


class HocuspocusSession(Session):
    """One document of one provider."""

    asks_first: ClassVar[bool] = False

    __slots__ = ("_asks", "_early", "_owed", "_refusals", "_round", "_synced", "_unsure", "_vector", "_waiting")

    def __init__(self, room: "Room", grant: Grant, connection: Connection, dialect: Hocuspocus) -> None:
        super().__init__(room, grant, connection, dialect)
        self._asks: deque[_Ask] = deque()
        """Our sync steps 1 that are not answered yet."""
        self._vector: dict[int, int] = {}
        """What the client had when it asked to sync."""
        self._synced = False
        """Its sync step 2 has come."""
        self._early = 0
        """Updates that came since it asked to sync, while its sync step 2 has not."""
        self._unsure = 0
        """As `_early`, of which nobody knows whether the provider counts them."""
        self._refusals = 0
        """Messages that were answered by 0."""
        self._waiting = 0
        """Statuses to be sent when nothing is held any more."""
        self._round = 0
        """Grows with each sync step 1 of the client."""
        self._owed: _Owed | None = None
        """The newest of what a commit is waited for."""

    @property
    def _framing(self) -> Hocuspocus:
        return cast(Hocuspocus, self.dialect)

    @property
    def _place(self) -> DocumentConnection:
        return cast(DocumentConnection, self.connection)

    def regrant(self, grant: Grant) -> None:
        self.given = grant
        may_write, self.grant = self.grant.may_write, grant
        if not self.open or may_write == grant.may_write:
            return
        self.send(self.dialect.role(grant.role.name.lower()))
        if grant.may_write:
            # What was refused is still in its copy.
            self.refused = False
            asked = len(self._asks)
            self.room.ask(self)
            if len(self._asks) > asked:
                self._asks[-1] = _Ask.PROMOTED
        elif self.held:
            self.room.drop_held(self)
            self._refusals += self._waiting
            self._waiting = 0

    def ask(self, state_vector: bytes) -> None:
        self._asks.append(_Ask.OURS)
        super().ask(state_vector)

    def release_acks(self) -> None:
        count, self._waiting = self._waiting, 0
        if count:
            self._owe(count)

    def batch_saved(self, owed: _Owed) -> None:
        """What the client is owed for is committed."""
        if self._owed is owed:
            self._owed = None
        if owed.round == self._round:
            self._answer(owed.count)
            self._answer_unsure()

    def _part(self, error: CollabError) -> None:
        self._place.part(error)

    def _receive_sync_step_1(self, state_vector: bytes) -> None:
        room = self.room
        self._check_asks()
        room.flush()
        if room.reloading:
            room.postpone(self, self.dialect.sync_step_1(state_vector))
            return
        self._vector = decode_state_vector(state_vector)
        # Rule P3.
        self._round += 1
        self._early = self._unsure = self._refusals = self._waiting = 0
        self._synced = False
        self._asks = deque([_Ask.OURS] * len(self._asks))
        room.ask(self)
        self._asks[-1] = _Ask.SYNC
        super()._receive_sync_step_1(state_vector)

    def _receive_other(self, kind: int, payload: bytes) -> None:
        if kind == STATELESS:
            self._relay(payload)
        elif kind == TOKEN:
            self._place.renew(payload.decode())
        elif kind == LEAVE:
            self._place.leave()
        else:
            super()._receive_other(kind, payload)

    def _receive_update(self, payload: bytes, *, from_sync: bool) -> bool:
        if len(self._asks) > _ASKS_MAX:
            self._check_asks()
        if self._synced and not from_sync:
            return self._receive_typed(payload)
        ask = (self._asks.popleft() if self._asks else _Ask.OURS) if from_sync else None
        taken = super()._receive_update(payload, from_sync=from_sync)
        count = self._count(payload, ask)
        if not taken:
            self._refusals += count
        elif not self._synced:
            self._early += count  # Rule P4.
        elif count:
            self._owe(count)
            self._answer_unsure()
        return taken

    def _receive_typed(self, payload: bytes) -> bool:
        """An update of a client that is in sync: what nearly every message is."""
        taken = super()._receive_update(payload, from_sync=False)
        owed = self._owed
        if not taken:
            self._refusals += 1
        elif owed is not None and owed.batch is self.batch and owed.round == self._round and not self.held:
            owed.count += 1
        else:
            self._owe(1)
            self._answer_unsure()
        return taken

    def _count(self, payload: bytes, ask: _Ask | None) -> int:
        """How many statuses a message is answered by (rules P2 and P3)."""
        if ask is _Ask.OURS:
            return 0
        if ask is _Ask.PROMOTED:
            count, self._refusals = self._refusals, 0
            return count
        if ask is _Ask.SYNC:
            count, self._early, self._vector, self._synced = 1 + self._early, 0, {}, True
            return count
        ranges = scan_update(payload).ranges
        if not ranges:
            self._unsure += self._place.stops_at_zero
            return 0
        return any(end > self._vector.get(client, 0) for client, _, end in ranges)

    def _check_asks(self) -> None:
        if len(self._asks) > _ASKS_MAX:
            raise LimitExceeded("answer the sync steps 1 that you were sent before you cause more")

    def _refuse_update(self, payload: bytes, scanned: ScannedUpdate, from_sync: bool) -> bool:
        if self._brings_nothing(payload, scanned, from_sync):
            return True
        self.refused = True
        self.send(self.dialect.refusal(READ_ONLY))
        return False

    def _owe(self, count: int) -> None:
        """Answer `count` messages by 1 once everything that came so far is saved."""
        if self.held:
            self._waiting += count
            return
        batch = self.batch
        if batch is None:
            self._answer(count)
        elif batch.outcome is not None:
            if not isinstance(batch.outcome, CollabError):
                self._answer(count)
        elif self._owed is not None and self._owed.batch is batch and self._owed.round == self._round:
            self._owed.count += count
        else:
            self._owed = _Owed(self, batch, count, self._round)
            batch.when_done.append(self._owed)

    def _answer_unsure(self) -> None:
        if self._unsure and self._synced and self._owed is None and not self.held:
            count, self._unsure = self._unsure, 0
            self._answer(count)

    def _answer(self, count: int) -> None:
        """Of what somebody typed between two commits each message has its own status, and all go out as one write: a
        busy room spends as much on writing to one client as on reading what it sent."""
        if count and self.open:
            with contextlib.suppress(RuntimeError):
                self.connection.write(self.room.frame(self._framing.saved) * count)
