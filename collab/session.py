"""One client in one room: its messages in, its refusals out. No I/O, no clock.

S1  Every message is decoded and scanned completely before any of it takes effect.
S2  Who may not write changes nothing: the update is neither applied, relayed nor stored, and the client is told.
S3  After a refusal nothing is acknowledged on this connection any more.
S4  A fault in a message ends this session alone.
S5  A grant is never changed, only replaced: from that moment on every message is judged by the new one.
S6  Whoever has named a version of the editor's schema older than the document's only reads: what their editor does not
    know, it would delete.
"""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from collab.errors import CollabError, MalformedMessage, MessageTooLarge, ProtocolError, RoomClosed, UnknownMessage
from collab.guard import Panicked
from collab.messages import (
    ACK_REQUEST,
    AWARENESS,
    QUERY_AWARENESS,
    ROLE_REQUEST,
    SYNC_STEP_1,
    SYNC_STEP_2,
    UPDATE,
    Dialect,
)
from collab.ports import Connection
from collab.scanner import ScannedUpdate, scan_update
from collab.types import ClientId, Grant, Role

if TYPE_CHECKING:
    from collab.committer import Batch, Outcome
    from collab.room import Room
    from collab.turns import Sections

READ_ONLY = "you may read this document, not change it"


class Held:
    """An update that waits for edits it builds on, or for its client id to be free."""

    __slots__ = ("contested", "from_sync", "payload", "probed", "scanned", "sections", "since")

    def __init__(
        self, payload: bytes, scanned: ScannedUpdate, since: float, *, contested: bool, from_sync: bool
    ) -> None:
        self.payload = payload
        self.scanned = scanned
        self.since = since
        self.from_sync = from_sync
        self.contested = contested
        """It adds edits under a client id that another connection owned when it came."""
        self.probed: list[Session] = []
        """Connections that were asked for a sign of life because they own a client id of it."""
        self.sections: Sections | None = None
        """It by client, if it is a sync step 2 of which a part may be taken."""


class Session:
    """What a transport hands its messages to. Made by `Hub.attach`."""

    asks_first: ClassVar[bool] = True
    """Sync step 1 is the first thing it says."""
    renews_presence: ClassVar[bool] = True
    """The client says now and then that it is still there (rule A6 of `collab.awareness`)."""
    counts_on: ClassVar[bool] = True
    """The client comes back under another awareness clock than it had when it left (rule A7)."""

    __slots__ = (
        "acks",
        "asked",
        "batch",
        "client_id",
        "connection",
        "dialect",
        "examined",
        "given",
        "grant",
        "held",
        "missed_since",
        "open",
        "refused",
        "room",
        "schema",
        "tells_role",
    )

    def __init__(self, room: "Room", grant: Grant, connection: Connection, dialect: Dialect) -> None:
        self.room = room
        self.given = grant
        """What the person may do."""
        self.grant = grant
        """What this connection may do; no more than that (rule S6)."""
        self.schema: int | None = None
        """Version of the editor's schema that the client knows, if it has said."""
        self.connection = connection
        self.dialect = dialect
        self.open = True
        self.refused = False
        self.examined = False
        """Whether its copy shares something with the document has been looked at, or its epoch says so."""
        self.batch: Batch | None = None
        """The newest batch that holds something this connection sent; it is acknowledged after that one."""
        self.acks: list[bytes] = []
        """Acknowledgements asked for while updates are held: they go out after those are committed."""
        self.held: list[Held] = []
        self.client_id: ClientId | None = None
        """The Yjs client id under which it types, if it owns that (`collab.client_ids`)."""
        self.missed_since: bytes | None = None
        """State vector of what the client has, while it reads too slowly to be in the fan-out."""
        self.asked = False
        """Meanwhile the client sent a sync step 1, which is to be answered."""
        self.tells_role = False
        """The client asked to be told its role."""

    def receive(self, message: bytes) -> None:
        """One whole message from the client."""
        room = self.room
        if not self.open or room.closed is not None:
            return
        try:
            if room.reloading:
                room.postpone(self, message)
                return
            kind, payload = self.dialect.decode(message)
            if kind in (UPDATE, SYNC_STEP_2):
                self._receive_update(payload, from_sync=kind == SYNC_STEP_2)
            elif kind == AWARENESS:
                self._check_size(payload)
                self.room.receive_awareness(self, payload)
            elif kind == SYNC_STEP_1:
                self._check_size(payload)
                self._receive_sync_step_1(payload)
            elif kind == ACK_REQUEST:
                self._check_size(payload)
                self._receive_ack_request(payload)
            elif kind == QUERY_AWARENESS:
                self.room.send_presence(self)
            elif kind == ROLE_REQUEST:
                self.tells_role = True
                self._send_role()
            else:
                self._receive_other(kind, payload)
        except CollabError as error:
            self.end(error)
        except Panicked:
            room.fault()
            self.end(MalformedMessage("the message cannot be applied to this document"))
        except Exception:
            # Half of it may have taken effect: edits that count as known and are nowhere would be acknowledged later.
            room.fault()
            raise

    def writable(self, ready: bool) -> None:
        """The transport's buffer ran full (`False`) or drained (`True`)."""
        if self.open:
            self.room.set_writable(self, ready)

    def regrant(self, grant: Grant) -> None:
        """Somebody's role has changed while connected (rule S5)."""
        self.given, grant = grant, self._narrowed(grant)
        may_write, self.grant = self.grant.may_write, grant
        if not self.open:
            return
        if self.refused and grant.may_write:
            # Its copy holds edits that were refused. Nothing may be acknowledged before they are here (rule S3), and a
            # new connection is how they come.
            self.end(RoomClosed("you may write now; connect again"))
            return
        if may_write and not grant.may_write:
            if self.held:
                self.room.drop_held(self)
                self.refused = True
            self.drop_acks()
            self.send(self.dialect.refusal(READ_ONLY))
        if self.tells_role:
            self._send_role()

    @property
    def outdated(self) -> bool:
        """Rule S6."""
        return self.schema is not None and self.schema < self.room.schema

    def _narrowed(self, grant: Grant) -> Grant:
        return replace(grant, role=Role.READER) if self.outdated else grant

    def name_schema(self, version: int) -> None:
        """The client has said which version it knows, before anything else."""
        self.schema = version
        self.send(self.dialect.schema(self.room.schema))
        self.grant = self._narrowed(self.given)

    def heed_schema(self) -> None:
        """The document's schema version is a later one from now on."""
        if self.schema is not None:
            self.send(self.dialect.schema(self.room.schema))
            if self.outdated:
                self.regrant(self.given)

    def _send_role(self) -> None:
        self.send(self.dialect.role(self.grant.role.name.lower()))

    def ask(self, state_vector: bytes) -> None:
        """Send sync step 1: the client is to answer with what the document lacks."""
        self.send(self.dialect.sync_step_1(state_vector))

    def send(self, message: bytes) -> None:
        """Write one message of our dialect to this client alone."""
        # The transport reports a dead socket by `closed`, at its own time.
        with contextlib.suppress(RuntimeError):
            self.connection.write(self.room.frame(message))

    def closed(self) -> None:
        """The socket is gone. Idempotent."""
        if self.open:
            self.open = False
            self.room.detach(self)

    def end(self, error: CollabError) -> None:
        """Close the connection with the error's code, and leave the room at once."""
        if self.open:
            self.room.stats.refusals[type(error).__name__] += 1
            self.room.refused(self, error)
            self._part(error)
            self.closed()

    def _part(self, error: CollabError) -> None:
        """Tell the client that it is over, and why."""
        self.connection.close(error.close_code, str(error))

    def _receive_sync_step_1(self, state_vector: bytes) -> None:
        self.room.answer_sync(self, state_vector)

    def _receive_other(self, kind: int, payload: bytes) -> None:
        """A kind of message that not every dialect has.

        Raises:
            UnknownMessage: this one does not.
        """
        raise UnknownMessage(f"{self.dialect.name} has no message of kind {kind}")

    def _relay(self, text: bytes) -> None:
        """Pass a message on that is no part of the document (`collab.messages.STATELESS`), of whoever may write.

        Raises:
            MessageTooLarge.
        """
        if len(text) > self.room.limits.stateless_bytes_max:
            raise MessageTooLarge(f"a stateless message may have {self.room.limits.stateless_bytes_max} bytes")
        if self.grant.may_write:
            self.room.relay(self, text)

    def _receive_update(self, payload: bytes, *, from_sync: bool) -> bool:
        """Returns whether it was taken; also when there was nothing new in it."""
        limits = self.room.limits
        size = len(payload)
        if size > limits.message_bytes_max and not from_sync and not self._echoes(payload):
            raise MessageTooLarge(f"an update of {size} bytes is larger than this server takes")
        if size > limits.sync_bytes_max:
            raise MessageTooLarge(f"an update of {size} bytes is larger than this server takes")
        if from_sync and self.room.live.knows(payload):
            self.room.receive_known(self)
            return True
        scanned = scan_update(payload)
        if not self.grant.may_write:
            return self._refuse_update(payload, scanned, from_sync)
        self.room.receive_update(self, payload, scanned, from_sync=from_sync)
        return True

    def _refuse_update(self, payload: bytes, scanned: ScannedUpdate, from_sync: bool) -> bool:
        """What somebody sent who may not write. Returns whether there is nothing to refuse."""
        if not self.refused and not self._brings_nothing(payload, scanned, from_sync):
            self.refused = True
            self.drop_acks()
            self.send(self.dialect.refusal(READ_ONLY))
        return not self.refused

    def _brings_nothing(self, payload: bytes, scanned: ScannedUpdate, from_sync: bool) -> bool:
        """A reader's sync step 2 carries what it already had from us, delete set included."""
        live = self.room.live
        return from_sync and not live.brings_news(scanned) and not (scanned.deletes and live.deletes_more(payload))

    def _echoes(self, payload: bytes) -> bool:
        """pycrdt's Provider sends back what it was sent, however large that was."""
        try:
            return self._brings_nothing(payload, scan_update(payload), from_sync=True)
        except ProtocolError:
            return False

    def _receive_ack_request(self, payload: bytes) -> None:
        if not self.refused and self.grant.may_write:
            self._acknowledge_when_saved(payload)

    def _acknowledge_when_saved(self, payload: bytes) -> None:
        if self.held:
            self.acks.append(payload)
        elif self.batch is None:
            self._acknowledge(payload)
        elif self.batch.outcome is not None:
            self._acknowledge_if_saved(self.batch.outcome, payload)
        else:
            self.batch.when_done.append(lambda outcome: self._acknowledge_if_saved(outcome, payload))

    def _acknowledge_if_saved(self, outcome: "Outcome", payload: bytes) -> None:
        if isinstance(outcome, CollabError):
            self._deny(payload)
        else:
            self._acknowledge(payload)

    def _acknowledge(self, payload: bytes) -> None:
        if self.open:
            self.send(self.dialect.acknowledgement(payload))

    def release_acks(self) -> None:
        """Nothing is held any more: the acknowledgements that waited for it follow its batch."""
        acks, self.acks = self.acks, []
        for payload in acks:
            self._receive_ack_request(payload)

    def drop_acks(self) -> None:
        """What is held, if anything, will not be taken any more: nor will it be acknowledged."""
        acks, self.acks = self.acks, []
        for payload in acks:
            self._deny(payload)

    def _deny(self, payload: bytes) -> None:
        """An acknowledgement that was asked for will not come. Most clients wait for a new connection."""

    def _check_size(self, payload: bytes) -> None:
        if len(payload) > self.room.limits.message_bytes_max:
            raise MessageTooLarge(f"a message of {len(payload)} bytes is larger than this server takes")
