"""A room with clients in memory: every message passes when the test says so, and time moves when the test says so."""

from collections.abc import Callable
from typing import Any

from pycrdt import Doc, Text

from collab.codec import Reader, write_var_uint
from collab.committer import Batch, MergedState
from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.errors import CollabError
from collab.limits import RoomLimits
from collab.messages import ACK_REQUEST, AWARENESS, SYNC_STEP_1, SYNC_STEP_2, UPDATE
from collab.ports import LoadedDocument, NewUpdate
from collab.room import Room
from collab.session import Session
from collab.stats import Stats
from collab.types import DocumentId, Grant, Role, Seq, parse_document_id

DOCUMENT = parse_document_id("pairs/one")
TEXT_FRAME = b"as text: "
EMPTY = LoadedDocument(epoch="e", checkpoint=None, updates=[], head=Seq(0))


class ManualTimer:
    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """Time stands still until `advance`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[ManualTimer] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], object], /) -> ManualTimer:
        return self.call_later(0.0, callback)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> ManualTimer:
        timer = ManualTimer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float = 0.0) -> None:
        """Let `seconds` pass and run what is due."""
        self.now += seconds
        while due := [timer for timer in self.timers if timer.due <= self.now]:
            for timer in due:
                self.timers.remove(timer)
                if not timer.cancelled:
                    timer.callback()


class MemoryLog:
    """The hub's part for one room: batches wait until the test commits them."""

    def __init__(self) -> None:
        self.refusals: list[CollabError] = []
        self.submitted: list[Batch] = []
        self.rows: list[NewUpdate] = []
        self.checkpoints: list[tuple[Seq, MergedState]] = []
        self.reloads = 0
        self.strangers: list[str | None] = []
        self.failures: list[BaseException] = []
        self.renewed: set[Room] = set()
        self.empty = 0
        self.gaps: list[tuple[Seq, Seq]] = []
        self.held = 0

    def submit(self, room: Room, batch: Batch) -> None:
        self.submitted.append(batch)

    def commit(self, room: Room) -> None:
        """Commit everything submitted, a row for each update."""
        batches, self.submitted = self.submitted, []
        if batches:
            rows = [update for batch in batches for update in batch.updates]
            self.rows += rows
            room.committed(batches, Seq(len(self.rows)), len(rows))

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)

    def reload(self, room: Room) -> None:
        self.reloads += 1

    def refused(self, document: DocumentId, user_id: str | None, error: CollabError) -> None:
        self.refusals.append(error)

    def unrelated(self, document: DocumentId, user_id: str | None) -> None:
        self.strangers.append(user_id)

    def emptied(self, room: Room) -> None:
        self.empty += 1

    def renewing(self, room: Room) -> None:
        self.renewed.add(room)

    def holding(self, room: Room) -> None:
        self.held += 1

    def write_checkpoint(self, room: Room, through: Seq, merged: MergedState) -> None:
        self.checkpoints.append((through, merged))

    def fill_gaps(self, room: Room) -> None:
        assert room.gap is not None
        self.gaps.append(room.gap)


class MemoryConnection:
    """Collects what the room writes."""

    def __init__(self) -> None:
        self.inbox: list[bytes] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self.probes: list[float] = []

    def write(self, frame: bytes) -> None:
        if self.close_code is None:
            self.inbox.append(frame)

    def close(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason

    def probe(self, timeout: float) -> None:
        self.probes.append(timeout)


class Peer:
    """A y-websocket client with a real Doc. `pull` reads what the room wrote, `push` sends what the Doc did."""

    def __init__(
        self, world: "World", *, client_id: int | None = None, role: Role = Role.EDITOR, user: str | None = None
    ):
        self.world = world
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.text: Text = self.doc.get("text", type=Text)
        self.outbox: list[bytes] = []
        self.acks: list[bytes] = []
        self.refusals = 0
        self.awareness: list[bytes] = []
        self._remote = False
        self._subscription = self.doc.observe(self._observe)
        self.grant = Grant(world.room.document, role, user)

    def _observe(self, event: object) -> None:
        if not self._remote:
            self.outbox.append(event.update)  # type: ignore[attr-defined]

    def attach(self) -> "Peer":
        self.connection = MemoryConnection()
        self.session = Session(self.world.room, self.grant, self.connection, Y_WEBSOCKET)
        self.world.room.attach(self.session)
        self.send(Y_WEBSOCKET.sync_step_1(self.doc.get_state()))
        return self

    def drop(self) -> None:
        """The socket is gone without a word."""
        self.session.closed()

    def send(self, message: bytes) -> None:
        self.session.receive(message)

    def push(self) -> None:
        """Send every edit of our own since the last push, one message each."""
        updates, self.outbox = self.outbox, []
        for update in updates:
            self.send(Y_WEBSOCKET.update(update))

    def ask_ack(self, version: int) -> None:
        self.send(Y_WEBSOCKET.acknowledgement(write_var_uint(version)))

    def pull(self) -> None:
        """Take in everything the room wrote, answering its sync step 1 as y-websocket does."""
        inbox, self.connection.inbox = self.connection.inbox, []
        for message in inbox:
            if message[0] == 2:
                self.refusals += 1
                continue
            kind, payload = Y_WEBSOCKET.decode(message)
            if kind == SYNC_STEP_1:
                self.send(Y_WEBSOCKET.sync_step_2(self.doc.get_update(payload)))
            elif kind in (SYNC_STEP_2, UPDATE):
                self._remote = True
                self.doc.apply_update(payload)
                self._remote = False
            elif kind == ACK_REQUEST:
                self.acks.append(payload)
            elif kind == AWARENESS:
                self.awareness.append(payload)

    def announce(self, client: int, clock: int, state: str = "{}") -> None:
        body = write_var_uint(1) + write_var_uint(client) + write_var_uint(clock)
        data = state.encode()
        self.send(Y_WEBSOCKET.awareness(body + write_var_uint(len(data)) + data))

    def present(self) -> dict[int, str]:
        """Who is here, as this client has been told."""
        seen: dict[int, str] = {}
        for payload in self.awareness:
            reader = Reader(payload)
            for _ in range(reader.var_uint()):
                client, _, state = reader.var_uint(), reader.var_uint(), reader.var_bytes().decode()
                if state == "null":
                    seen.pop(client, None)
                else:
                    seen[client] = state
        return seen


class World:
    """One room, its clock and its log."""

    def __init__(
        self, loaded: LoadedDocument = EMPTY, limits: RoomLimits | None = None, document: DocumentId = DOCUMENT
    ) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.stats = Stats()
        self.room = Room(
            document,
            loaded,
            self.log,
            clock=self.clock,
            frame=lambda message: message,
            frame_text=lambda message: TEXT_FRAME + message,
            limits=limits or RoomLimits(),
            stats=self.stats,
        )
        self.peers: list[Peer] = []

    def peer(self, **options: object) -> Peer:
        peer = Peer(self, **options).attach()  # type: ignore[arg-type]
        self.peers.append(peer)
        return peer

    def settle(self) -> None:
        """Deliver everything both ways, and commit, until nothing moves any more."""
        for _ in range(20):
            for peer in self.peers:
                if peer.session.open:
                    peer.push()
            self.clock.advance(0.03)
            for peer in self.peers:
                if peer.session.open:
                    peer.pull()
            self.log.commit(self.room)

    def stored_text(self) -> str:
        """What a cold load of the committed rows holds."""
        doc: Doc[Text] = Doc()
        for row in self.log.rows:
            doc.apply_update(row.payload)
        return str(doc.get("text", type=Text))
