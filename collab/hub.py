"""Opens, runs and evicts rooms; the one object that the outside holds.

H1  A document is loaded once however many ask for it at the same time, and nobody gets an answer from a room
    before it is loaded.
H2  A room leaves memory only when nobody is connected and everything in it is committed.
H3  Every task is owned: a failure of one that nobody awaits ends the hub, never passes silently.
H4  A checkpoint is trusted only after a reload of it has the same state vector.
H5  A document that cannot be loaded ends neither the process nor other rooms (`collab.loading`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pycrdt import Channel

from collab.channels import ChannelConnection
from collab.codec import decode_state_vector
from collab.committer import Batch, Committer, MergedState, Outcome
from collab.errors import CollabError, CorruptUpdate, OtherEpoch, PermissionDenied, RoomClosed, StoreError
from collab.guard import Panicked
from collab.limits import RoomLimits
from collab.live import LiveDocument
from collab.load_watch import LoadWatch
from collab.loading import Loader
from collab.messages import Dialect
from collab.ports import Checkpoint, Clock, Connection, FrameEncoder, Quarantine, Reporter, UpdateLog
from collab.replica import Replica
from collab.room import Room
from collab.scanner import scan_update
from collab.session import READ_ONLY, Session
from collab.stats import Stats
from collab.types import DocumentId, Grant, Seq

T = TypeVar("T")

_TICK_SECONDS = 1.0
_RELOAD_SECONDS = 0.5
_FAREWELL_SECONDS = 2.0
"""At the end, checkpoints of rooms that would be slow to load are written for this long."""


class Hub:
    """All live documents of one process. Use from one event loop: `start`, then anything, then `close`."""

    def __init__(
        self,
        log: UpdateLog,
        *,
        frame: FrameEncoder = bytes,
        unframe: FrameEncoder = bytes,
        frame_text: FrameEncoder | None = None,
        clock: Clock | None = None,
        limits: RoomLimits | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
        quarantine: Quarantine | None = None,
        watch: LoadWatch | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        """
        Args:
            log: where edits are saved.
            frame: wraps one message for `Connection.write`.
            unframe: takes that off again, for connections that are no sockets.
            frame_text: the same for a text message; as `frame` where there is no such difference.
            clock: an asyncio loop, or its likeness; the running loop by default.
            on_failure: called once when nothing can be saved any more (the log is broken); the process should end.
            quarantine: for documents that cannot be loaded. Without, every load of one fails anew.
            watch: remembers of which document's load the process died.
            reporter: is told what whoever runs the server should know.
        """
        self.stats = Stats()
        self.limits = limits or RoomLimits()
        self._log = log
        self._frame = frame
        self._unframe = unframe
        self._frame_text = frame_text or frame
        self._given_clock = clock
        self._on_failure = on_failure
        self._reporter = reporter or Reporter()
        self._loader = Loader(log, quarantine, watch, self._reporter)
        self._committer = Committer(log, self.limits, self.stats, self._reporter)
        self._rooms: dict[DocumentId, Room] = {}
        self._loading: dict[tuple[DocumentId, bool], asyncio.Task[Room]] = {}
        self._empty: dict[Room, float] = {}
        self._holding: set[Room] = set()
        self._renewing: set[Room] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._accepting = False
        self._closed = False
        self.failure: BaseException | None = None

    @property
    def ready(self) -> bool:
        """Edits are taken and can be saved."""
        return self._accepting and self.failure is None and self._committer.trouble is None

    @property
    def trouble(self) -> StoreError | None:
        """Why edits cannot be saved just now."""
        return self._committer.trouble

    # -- life --------------------

    async def start(self) -> None:
        self._clock: Clock = self._given_clock or asyncio.get_running_loop()
        LiveDocument([])  # With its first Doc pycrdt imports anyio's backend: 10 ms, before anybody waits for them.
        self._accepting = True
        self._spawn(self._committer.run())
        self._spawn(self._tick())

    async def close(self, deadline_s: float = 10.0) -> None:
        """Take nothing more, commit everything, acknowledge it, end every session with 1012. Idempotent.

        It returns after about `deadline_s` at the latest, committed or not.
        """
        if self._closed:
            return
        self._closed = True
        end = self._clock.time() + deadline_s
        self._accepting = False
        for room in list(self._rooms.values()):
            room.freeze()
        if self.failure is None:
            # What is not committed by then was never acknowledged: clients still have it and send it again.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._committer.drained(), deadline_s)
        enough = min(end, self._clock.time() + _FAREWELL_SECONDS)
        for room in list(self._rooms.values()):
            if room.covered and room.slow_to_load and self._clock.time() < enough:
                with contextlib.suppress(Panicked):  # It is for the next load to find out and to say so.
                    await self._write_checkpoint(room.document, room.head, room.merged_state())
            room.lost(RoomClosed("the server is restarting"))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._rooms.clear()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.fail(task.exception())

    def fail(self, error: BaseException | None) -> None:
        """Something happened after which nothing may be called saved any more (rule H3)."""
        if self.failure is None and error is not None:
            self.failure = error
            reason = StoreError("the server can no longer save; it is stopping")
            for room in list(self._rooms.values()):
                room.lost(reason)
            if self._on_failure is not None:
                self._on_failure(error)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._holding = {room for room in self._holding if room.expire_held()}
            self._renewing = {room for room in self._renewing if room.renew_presence()}
            oldest = self._clock.time() - self.limits.idle_seconds
            for room in [room for room, since in self._empty.items() if since <= oldest and room.idle]:
                self._evict(room)

    # -- rooms --------------------

    @property
    def documents(self) -> list[DocumentId]:
        """Those that are in memory."""
        return list(self._rooms)

    def is_open(self, document: DocumentId) -> bool:
        """Whether the document is in memory."""
        return document in self._rooms

    async def open(self, grant: Grant) -> Room:
        """The live document, loaded if it was not.

        Raises:
            DocumentNotFound: it does not exist and the grant may not create it, or it is in the bin.
            DocumentQuarantined, CorruptUpdate: what is stored cannot be trusted.
            StoreUnavailable, RoomClosed: not now.
        """
        if not self._accepting or self.failure is not None:
            raise RoomClosed("the server is restarting")
        room = self._rooms.get(grant.document)
        if room is not None:
            return room
        key = (grant.document, grant.may_create)
        task = self._loading.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(grant))
            self._loading[key] = task
            task.add_done_callback(lambda _task: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _load(self, grant: Grant) -> Room:
        loaded = await self._loader.load(grant.document, create=grant.may_create)
        self.stats.loads += 1
        self.stats.rows_loaded += len(loaded.updates)
        self.stats.checkpoints_loaded += loaded.checkpoint is not None
        try:
            with self._loader.applying(grant.document):
                room = Room(
                    grant.document,
                    loaded,
                    self,
                    clock=self._clock,
                    frame=self._frame,
                    frame_text=self._frame_text,
                    limits=self.limits,
                    stats=self.stats,
                )
        except CorruptUpdate as error:
            raise await self._loader.condemn(grant.document, str(error)) from error
        if not self._accepting:
            raise RoomClosed("the server is restarting")
        other = self._rooms.get(grant.document)
        if other is not None:
            return other  # Somebody who may create it and somebody who may not asked at once.
        self._rooms[grant.document] = room
        self._empty[room] = self._clock.time()
        self.stats.rooms += 1
        return room

    def attach(
        self,
        room: Room,
        grant: Grant,
        connection: Connection,
        dialect: Dialect,
        *,
        epoch: str | None = None,
        schema: int | None = None,
    ) -> Session:
        """Begin a session. The transport hands every message to `Session.receive` and calls `Session.closed`.

        Args:
            epoch: of the client's copy; empty when it has none. It is told the document's first of all, and sent away
                when the two differ. None: the client does not know of epochs.
            schema: version of the editor's schema that the client knows. It is told the document's, and only reads when
                that is later (rule S6). None: the client's editor is none of ours.
        """
        session = dialect.session(room, grant, connection)
        if self._rooms.get(grant.document) is not room or room.closed is not None:
            error = room.closed or RoomClosed("the document was closed meanwhile; connect again")
            session.open = False
            connection.close(error.close_code, str(error))
            return session
        if epoch is not None:
            session.send(dialect.epoch(room.epoch))
            session.examined = True
            if epoch and epoch != room.epoch:
                session.open = False
                connection.close(OtherEpoch.close_code, "this document was begun anew")
                return session
        self._empty.pop(room, None)
        if schema is not None:
            if grant.may_write and schema > room.schema:
                room.require_schema(schema)
            session.name_schema(schema)
        room.attach(session)
        return session

    @asynccontextmanager
    async def join(self, grant: Grant) -> AsyncIterator[Replica]:
        """The document for code in this process, to be read, observed and edited. At the end of the block every edit
        is saved, or the reason why not is raised.

        Raises:
            As `open`; CollabError: see `Replica.saved`.
        """
        room = await self.open(grant)
        replica = Replica(self._unframe)
        try:
            replica.begin(lambda connection, dialect: self.attach(room, grant, connection, dialect))
            yield replica
            if replica.following:
                await replica.saved()
        finally:
            replica.close()

    async def serve(
        self, grant: Grant, channel: Channel, begun: Callable[[Session], object] = lambda _session: None
    ) -> None:
        """Let whoever is at the other end of a channel of pycrdt's take part, until it ends.

        Args:
            begun: is given the session, whose grant may change (`Session.regrant`) or end (`Session.end`) meanwhile.

        Raises:
            As `open`; CollabError: the session was ended for this.
        """
        room = await self.open(grant)
        connection = ChannelConnection(channel, self._unframe)

        def attach(dialect: Dialect) -> Session:
            session = self.attach(room, grant, connection, dialect)
            begun(session)
            return session

        await connection.run(attach)

    async def apply(self, grant: Grant, update: bytes, *, copies: bool = False) -> Seq:
        """Apply one Yjs v1 update and return after the commit.

        Args:
            copies: it was made here, of what others wrote.

        Returns:
            The seq of the row that holds it; for an update without news, a seq at which it is already held.

        Raises:
            PermissionDenied, MalformedMessage, ForgedAuthor, LimitExceeded, MessageTooLarge, UpdateGap,
            ClientIdInUse, DocumentNotFound, StoreUnavailable, RoomClosed.
        """
        if not grant.may_write:
            raise PermissionDenied(READ_ONLY)
        scanned = scan_update(update)
        room = await self.open(grant)
        saved: asyncio.Future[Seq] = asyncio.get_running_loop().create_future()

        def when_done(outcome: Outcome) -> None:
            if saved.done():
                return
            if isinstance(outcome, CollabError):
                saved.set_exception(outcome)
            else:
                saved.set_result(outcome)

        room.apply(grant, update, scanned, when_done, copies=copies)
        return await saved

    async def state(self, grant: Grant) -> bytes:
        """The whole document now as one Yjs v1 update.

        Raises:
            As `open`.
        """
        return (await self.open(grant)).state()

    async def release(self, document: DocumentId) -> None:
        """Let a document out of quarantine, if it can be loaded.

        Raises:
            DocumentQuarantined: it cannot; the text says why.
            DocumentNotFound, StoreUnavailable.
        """
        await self._loader.release(document)

    def close_document(self, document: DocumentId, error: CollabError) -> None:
        """End every session of a document, for instance because it went to the bin."""
        room = self._rooms.get(document)
        if room is not None:
            room.close(error)
            self._forget(room)

    def _evict(self, room: Room) -> None:
        if room.closed is None and room.slow_to_load:
            with contextlib.suppress(Panicked):
                self.write_checkpoint(room, room.head, room.merged_state())
        self._forget(room)

    def _forget(self, room: Room) -> None:
        self._empty.pop(room, None)
        self._holding.discard(room)
        self._renewing.discard(room)
        if self._rooms.get(room.document) is room:
            del self._rooms[room.document]
            self.stats.rooms -= 1

    # -- what rooms ask for (collab.room.RoomHost) --------------------

    def submit(self, room: Room, batch: Batch) -> None:
        self._committer.submit(room, batch)

    def refused(self, document: DocumentId, user_id: str | None, error: CollabError) -> None:
        self._reporter.refused(document, user_id, error)

    def unrelated(self, document: DocumentId, user_id: str | None) -> None:
        self._reporter.unrelated(document, user_id)

    def emptied(self, room: Room) -> None:
        if self._rooms.get(room.document) is room:
            self._empty[room] = self._clock.time()

    def holding(self, room: Room) -> None:
        self._holding.add(room)

    def renewing(self, room: Room) -> None:
        self._renewing.add(room)

    def reload(self, room: Room) -> None:
        self._spawn(self._reload(room))

    async def _reload(self, room: Room) -> None:
        try:
            loaded = await self._patiently(lambda: self._loader.load(room.document, create=False))
            while loaded.head < room.head:
                # Something was committed while it was read: that is neither in it nor uncommitted any more.
                loaded = await self._patiently(lambda: self._loader.load(room.document, create=False))
        except StoreError as error:
            self._give_up(room, error)
            return
        try:
            with self._loader.applying(room.document):
                room.reloaded(loaded)
        except CorruptUpdate as error:
            self._give_up(room, await self._loader.condemn(room.document, str(error)))

    def _give_up(self, room: Room, error: CollabError) -> None:
        room.reloading = False
        room.lost(error)
        self._forget(room)

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await read()
            except StoreError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(_RELOAD_SECONDS)

    def write_checkpoint(self, room: Room, through: Seq, merged: MergedState) -> None:
        self._spawn(self._write_checkpoint(room.document, through, merged))

    async def _write_checkpoint(self, document: DocumentId, through: Seq, merged: MergedState) -> None:
        try:
            reloaded = LiveDocument([merged.state])
        except Panicked:
            return
        if reloaded.clocks != decode_state_vector(merged.vector):
            return
        try:
            await self._log.write_checkpoint(document, Checkpoint(through, merged.state))
            self.stats.checkpoints_written += 1
        except StoreError:
            return  # A checkpoint only saves time; the rows are there, and the next one will be tried anew.

    def fill_gaps(self, room: Room) -> None:
        self._spawn(self._fill_gaps(room))

    async def _fill_gaps(self, room: Room) -> None:
        try:
            # In order, one after the other: what another node committed may build on what it committed before.
            while not room.reloading and (gap := room.gap) is not None:
                after, through = gap
                page = await self._patiently(
                    lambda after=after, through=through: self._log.read(  # type: ignore[misc]
                        room.document, after=after, limit=through - after, bytes_max=self.limits.document_bytes_max
                    )
                )
                room.integrate(page.updates)
        except StoreError as error:
            self._give_up(room, error)
