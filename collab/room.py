"""One live document and its clients: the way of an edit through them.

R1  Nothing reaches the Doc unscanned, and nothing that would leave something pending: an update that builds on
    edits the document does not have is held, bounded, and its sender is asked for the missing part.
R2  New edits under a client id that another open connection owns are held until that connection sent them
    itself or is gone; a connection that does not answer a probe is gone. Of a sync step 2 that is held, what nobody
    else owns is taken as soon as it attaches.
R3  What arrived since the last flush is applied as one update, relayed as one frame, and put into the log as one
    batch. The relay does not wait for the log; acknowledgements do.
R4  A slow reader leaves the fan-out and later gets one diff from the state it had.
R5  When pycrdt panics, the Doc is made anew from the store and from what was accepted since; whoever sent the
    update that did it is closed, the others notice no more than a sync.
"""

import contextlib
from collections.abc import Callable
from typing import Protocol

from collab.awareness import AwarenessTable, decode_awareness
from collab.client_ids import ClientIds
from collab.comment_authors import forgers, without
from collab.committer import Batch, MergedState, Outcome, merge_runs
from collab.companions import commented_by
from collab.errors import (
    ClientIdInUse,
    CollabError,
    ForgedAuthor,
    LimitExceeded,
    MalformedMessage,
    MessageTooLarge,
    RoomClosed,
    StoreError,
    StoreUnavailable,
    UnrelatedCopy,
    UnsafeUpdate,
    UpdateGap,
)
from collab.fanout import FanOut
from collab.guard import Panicked
from collab.limits import RoomLimits
from collab.live import LiveDocument, sift
from collab.messages import Dialect
from collab.ports import Clock, FrameEncoder, LoadedDocument, NewUpdate, StoredUpdate, Timer
from collab.scanner import ScannedUpdate, scan_update
from collab.session import Held, Session
from collab.stats import Stats
from collab.types import ClientId, DocumentId, Grant, Seq
from collab.waiting import Waiting

_PROBE_SECONDS = 2.0
_UNSAFE = "the update would cut a character or a value in two, which this server cannot store"
NOT_YOURS = "the update adds a comment in somebody else's name"
_DUTY = 3.0
"""Under load a room rests for this many times what its last flushes cost, so that flushing never saturates it."""
_REPEATS_BYTES = 512
"""A deletion of this size, and nothing else, may well be one that the document has."""
_TAIL_ROWS = 64
_TAIL_BYTES = 16 * 1024
_QUIET_SECONDS = 0.002
"""After this long without a flush an edit is flushed on the spot: nothing is there, nor likely to come, to join it."""
_IDLE_COST = 0.0001
"""Flushes cheaper than this many seconds need no rest. One that took more than twice as long as the last ones, and this
on top, was most likely held up by something else; it counts as that much, or a hiccup would slow the room for long."""

Pending = tuple[Session | None, str | None, bytes]
"""Who sent it (nobody connected: None), for whom, and the update."""


class RoomHost(Protocol):
    """What a room asks of the hub that runs it."""

    def submit(self, room: "Room", batch: Batch) -> None: ...

    def fail(self, error: BaseException) -> None:
        """An error that nobody expected while edits were on their way into the log: nothing may be called saved."""
        ...

    def reload(self, room: "Room") -> None:
        """Read the document again and hand it to `Room.reloaded`."""
        ...

    def refused(self, document: DocumentId, user_id: str | None, error: CollabError) -> None:
        """A session was ended for a reason that lies with its client."""
        ...

    def unrelated(self, document: DocumentId, user_id: str | None) -> None:
        """A client came with a copy that shares nothing with the document."""
        ...

    def emptied(self, room: "Room") -> None:
        """The last session left."""
        ...

    def holding(self, room: "Room") -> None:
        """Updates are held: call `Room.expire_held` now and then."""
        ...

    def write_checkpoint(self, room: "Room", through: Seq, merged: MergedState) -> None: ...

    def renewing(self, room: "Room") -> None:
        """Somebody's presence has to be renewed: call `Room.renew_presence` now and then."""
        ...

    def fill_gaps(self, room: "Room") -> None:
        """Other writers committed rows: read those of `Room.gap` and hand them to `Room.integrate`, until there is
        none."""
        ...


class Room:
    """A live document. Synchronous; every method runs on the event loop's thread."""

    def __init__(
        self,
        document: DocumentId,
        loaded: LoadedDocument,
        host: RoomHost,
        *,
        clock: Clock,
        frame: FrameEncoder,
        frame_text: FrameEncoder,
        limits: RoomLimits,
        stats: Stats,
    ) -> None:
        self.document = document
        self.epoch = loaded.epoch
        self.schema = loaded.schema
        self.limits = limits
        self.stats = stats
        self.frame = frame
        self._frame_text = frame_text
        self.sessions: set[Session] = set()
        self.closed: CollabError | None = None
        self.reloading = False
        self._holds_comments = commented_by(document) is not None
        self._host = host
        self._clock = clock
        self._fanout = FanOut(frame)
        self._awareness: AwarenessTable[Session] = AwarenessTable()
        self._ids = ClientIds(self._awareness)
        self._waiting = Waiting(limits)
        self._retrying = False
        self._backlog: list[tuple[Session, bytes]] = []
        self._backlog_bytes = 0
        self._pending: list[Pending] = []
        self._batch: Batch | None = None
        self._uncommitted: list[Batch] = []
        self._gaps: list[tuple[Seq, Seq]] = []
        self._timer: Timer | None = None
        self._flushed_at = 0.0
        self._flush_cost = 0.0
        self._adopt(loaded)

    def _adopt(self, loaded: LoadedDocument) -> None:
        parts = [] if loaded.checkpoint is None else [loaded.checkpoint.state]
        parts += [update.payload for update in loaded.updates]
        parts += [update.payload for batch in self._uncommitted for update in batch.updates]
        self.live = LiveDocument(parts)
        self.head: Seq = loaded.head
        self._gaps.clear()
        self._drop_checkpoints()
        self._rows_since = len(loaded.updates)
        self._checkpoint_bytes = 0 if loaded.checkpoint is None else len(loaded.checkpoint.state)
        self._document_bytes = sum(map(len, parts))
        self._bytes_since = self._document_bytes - self._checkpoint_bytes

    @property
    def covered(self) -> bool:
        """The log holds exactly what the live document holds."""
        return not (self._pending or self._uncommitted or self._gaps or self.reloading)

    @property
    def gap(self) -> tuple[Seq, Seq] | None:
        """The oldest rows of other writers that the live document lacks: those after the first seq through the
        second."""
        return self._gaps[0] if self._gaps else None

    @property
    def idle(self) -> bool:
        """Nothing is lost when the room leaves memory now."""
        return not self.sessions and self.covered

    @property
    def slow_to_load(self) -> bool:
        """What follows the checkpoint takes longer to load than a checkpoint takes to write."""
        return self._rows_since >= _TAIL_ROWS or self._bytes_since >= _TAIL_BYTES

    def state(self) -> bytes:
        """The whole document now as one Yjs v1 update, edits not yet committed included.

        Raises:
            RoomClosed: the document is just being read again after a fault.
        """
        self.flush()
        self._check_live()
        return self.live.state()

    def merged_state(self) -> MergedState:
        """What a checkpoint holds. It is the log through `head` when the room is `covered`."""
        return MergedState(self.live.state(), self.live.vector())

    def _check_live(self) -> None:
        if self.closed is not None:
            raise self.closed
        if self.reloading:
            raise RoomClosed("the document is being read again; try once more in a moment")

    # -- coming and going --------------------

    def require_schema(self, version: int) -> None:
        """It is written with a later version of the editor's schema from now on: older ones only read (rule S6)."""
        self.schema = version
        for session in list(self.sessions):
            session.heed_schema()

    def attach(self, session: Session) -> None:
        """Let `session` take part. Our sync step 1 goes first: the client's answer, which holds its offline edits, is
        then on the wire before the client believes to be synced."""
        self.stats.connections += 1
        # What is pending belongs to those who were here: the newcomer gets it with its sync step 2.
        self.flush()
        self.sessions.add(session)
        self._fanout.add(session)
        if session.asks_first:
            self.ask(session)
        self.send_presence(session)

    def detach(self, session: Session) -> None:
        self.stats.connections -= 1
        self.sessions.discard(session)
        self._fanout.discard(session)
        self._waiting.discard(session)
        self._ids.release(session)
        if self._awareness.leave(session):
            self._schedule()
        self._retry_waiting()
        if not self.sessions:
            self._host.emptied(self)

    def refused(self, session: Session, error: CollabError) -> None:
        """`session` is ended with `error`."""
        if not isinstance(error, RoomClosed | StoreError):
            self._host.refused(self.document, session.grant.user_id, error)

    def drop_held(self, session: Session) -> None:
        """Forget what of `session` waits: it may not write any more."""
        self._waiting.discard(session)

    def close(self, error: CollabError) -> None:
        """End every session with `error`, and take nothing more. What was accepted still goes into the log."""
        self.flush()
        self.closed = error
        backlog, self._backlog = self._backlog, []
        for session, message in backlog:
            session.receive(message)
        for session in list(self.sessions):
            session.end(error)

    def freeze(self) -> None:
        """Take nothing more, but leave the sessions open for their acknowledgements."""
        self.flush()
        self.closed = RoomClosed("the server is restarting")
        for session in list(self.sessions):
            session.drop_acks()

    def lost(self, error: CollabError) -> None:
        """Nothing of the room can be saved any more: tell whoever waits for it, and end every session."""
        batches = [*self._uncommitted, *([] if self._batch is None else [self._batch])]
        self._pending.clear()
        self._uncommitted.clear()
        self._batch = None
        for batch in batches:
            batch.finish(error)
        self.close(error)

    # -- what clients send --------------------

    def receive_update(self, session: Session, payload: bytes, scanned: ScannedUpdate, *, from_sync: bool) -> None:
        """Accept or hold one scanned update of somebody who may write.

        Raises:
            ForgedAuthor, LimitExceeded, MessageTooLarge, StoreUnavailable: it cannot be taken; the session ends.
        """
        self.stats.updates_received += 1
        if self._holds_comments:
            payload, scanned = self._by_their_authors(session, payload, scanned, from_sync)
        ranges = scanned.ranges
        if len(ranges) == 1 and not from_sync and not scanned.levels:
            client, start, end = ranges[0]
            # Typing: the next edits of a client id that this connection owns.
            if (
                client == session.client_id
                and self.live.clocks.get(client) == start
                and (not scanned.needs or self.live.attaches(scanned))
            ):
                self._check_space(len(payload))
                if not self.live.admit(payload):
                    raise UnsafeUpdate(_UNSAFE)
                self.live.clocks[client] = end
                session.batch = self._enqueue(session, session.grant.user_id, payload)
                if self._timer is None:
                    quiet = self._clock.time() - self._flushed_at
                    if quiet > _QUIET_SECONDS and quiet > self._rest():
                        self.flush()
                    else:
                        self._schedule()
                return
        self._receive_any(session, payload, scanned, from_sync)

    def _by_their_authors(
        self, session: Session, payload: bytes, scanned: ScannedUpdate, from_sync: bool
    ) -> tuple[bytes, ScannedUpdate]:
        """What of an update may be taken (rules N2 and N3 of `collab.comment_authors`).

        Raises:
            ForgedAuthor: nothing.
            UpdateGap: nothing yet.
        """
        if not self.live.brings_news(scanned):
            return payload, scanned
        clients = forgers(payload, self.live.clocks, session.grant.user_id)
        if not clients:
            return payload, scanned
        if not from_sync:
            raise ForgedAuthor(NOT_YOURS)
        payload = without(payload, clients)
        scanned = scan_update(payload)
        if not self.live.attaches(scanned):
            raise UpdateGap("your edits build on a comment that its author has not sent yet")
        return payload, scanned

    def receive_known(self, session: Session) -> None:
        """Accept an update that the document is known to hold, though perhaps not committed yet."""
        self.stats.updates_received += 1
        session.batch = self._newest_batch()

    def _newest_batch(self) -> Batch | None:
        return self._batch or (self._uncommitted[-1] if self._uncommitted else None)

    def _receive_any(self, session: Session, payload: bytes, scanned: ScannedUpdate, from_sync: bool) -> None:
        live = self.live
        owners = self._ids.others(session, scanned, live.clocks)
        if owners or not live.attaches(scanned):
            self._hold(
                session, Held(payload, scanned, self._clock.time(), contested=bool(owners), from_sync=from_sync), owners
            )
        elif from_sync or (self._may_repeat(payload, scanned) and not live.brings_news(scanned)):
            # Alone in its flush: it often carries much more than it brings, and only that is to be relayed and stored.
            self.flush()
            self._accept(session, session.grant.user_id, payload, scanned, types=False)
            self.flush(news_only=True)
        else:
            self._accept(session, session.grant.user_id, payload, scanned, types=True)

    @staticmethod
    def _may_repeat(payload: bytes, scanned: ScannedUpdate) -> bool:
        return scanned.deletes and (bool(scanned.ranges) or len(payload) >= _REPEATS_BYTES)

    def apply(
        self,
        grant: Grant,
        payload: bytes,
        scanned: ScannedUpdate,
        when_done: Callable[[Outcome], None],
        *,
        copies: bool = False,
    ) -> None:
        """Accept one scanned update of somebody without a connection. `when_done` is called after the commit.

        Args:
            copies: it was made here, of what others wrote.

        Raises:
            ForgedAuthor: it adds a comment in another's name.
            UpdateGap: it builds on edits the document does not have.
            ClientIdInUse: it adds edits under a client id that an open connection owns.
            MalformedMessage, MessageTooLarge, StoreUnavailable, RoomClosed.
        """
        self._check_live()
        if self._holds_comments and not copies and forgers(payload, self.live.clocks, grant.user_id):
            raise ForgedAuthor(NOT_YOURS)
        if self._ids.others(None, scanned, self.live.clocks):
            raise ClientIdInUse("the update adds edits under a client id that a connected client uses")
        if not self.live.attaches(scanned):
            raise UpdateGap("the update builds on edits this document does not have")
        self.stats.updates_received += 1
        self.flush()
        self._check_live()
        batch = self._accept(None, grant.user_id, payload, scanned, types=False)
        self.flush(news_only=True)
        if self.reloading:
            self._pending.clear()
            self._batch = None
            raise MalformedMessage("the update cannot be applied to this document")
        if batch is None or batch.outcome is not None:
            when_done(self.head)
        else:
            batch.when_done.append(when_done)

    def receive_awareness(self, session: Session, payload: bytes) -> None:
        """Take what a client says about itself.

        Raises:
            MalformedMessage, LimitExceeded.
        """
        entries = decode_awareness(
            payload,
            entries_max=self.limits.awareness_entries_max,
            state_bytes_max=self.limits.awareness_state_bytes_max,
        )
        grant = session.grant
        if self._awareness.receive(
            session,
            entries,
            self._clock.time(),
            grant.user_name,
            guest=grant.guest,
            renews=session.renews_presence,
            counts_on=session.counts_on,
        ):
            self._schedule()
        if not session.renews_presence:
            self._host.renewing(self)

    def renew_presence(self) -> bool:
        """Rule A6 of `collab.awareness`. Returns whether it has to be done for anybody."""
        any_at_all = self._awareness.renew(self._clock.time())
        if self._awareness.dirty:
            self._schedule()
        return any_at_all

    def relay(self, sender: Session, text: bytes) -> None:
        """Pass a message on to everybody else who may write and speaks a dialect that has such messages. It is kept
        nowhere: who reads too slowly, or comes later, does not get it."""
        self.stats.stateless += 1
        frames: dict[Dialect, bytes | None] = {}
        for session in list(self.sessions):
            if session is sender or not session.grant.may_write or session.missed_since is not None:
                continue
            dialect = session.dialect
            if dialect not in frames:
                message = dialect.stateless(text)
                encode = self._frame_text if dialect.stateless_is_text else self.frame
                frames[dialect] = None if message is None else encode(message)
            frame = frames[dialect]
            if frame is not None:
                with contextlib.suppress(RuntimeError):  # A dead socket whose end has not been reported yet.
                    session.connection.write(frame)

    def answer_sync(self, session: Session, state_vector: bytes) -> None:
        """Answer a client's sync step 1.

        Raises:
            MalformedMessage: not a state vector.
            Panicked: it cannot be answered.
        """
        if not session.examined:
            self._examine(session, state_vector)
        if session.missed_since is not None:
            session.missed_since = state_vector
            session.asked = True
            return
        session.send(session.dialect.sync_step_2(self.live.since(state_vector)))

    def _examine(self, session: Session, state_vector: bytes) -> None:
        """Notice a client whose copy shares nothing with a document that is not empty, most often because a program
        fills a new Y.Doc before it has synced: at every visit the text is there once more.

        Raises:
            UnrelatedCopy: such clients are refused.
        """
        session.examined = True
        if self.live.shares(state_vector):
            return
        self.stats.unrelated += 1
        if self.limits.refuse_unrelated:
            raise UnrelatedCopy("your copy shares nothing with this document; load it before you write into it")
        self._host.unrelated(self.document, session.grant.user_id)

    def send_presence(self, session: Session) -> None:
        for payload in self._awareness.snapshot():
            session.send(session.dialect.awareness(payload))

    def set_writable(self, session: Session, ready: bool) -> None:
        """Rule R4."""
        if self.reloading:
            session.end(RoomClosed("the document is being read again"))
        elif not ready and session.missed_since is None:
            session.missed_since = self.live.vector()
            self._fanout.discard(session)
        elif ready and session.missed_since is not None:
            since, session.missed_since = session.missed_since, None
            asked, session.asked = session.asked, False
            self._fanout.add(session)
            self.stats.resyncs += 1
            if asked:
                self.answer_sync(session, since)
            else:
                session.send(session.dialect.update(self.live.since(since)))
            self.send_presence(session)

    # -- accepting --------------------

    def _accept(
        self, session: Session | None, user_id: str | None, payload: bytes, scanned: ScannedUpdate, *, types: bool
    ) -> Batch | None:
        """Queue for the next flush; with `types`, the session may come to own the client ids in it.

        Returns:
            The batch whose commit makes it saved. None: it is saved already.
        """
        if scanned.deletes or self.live.brings_news(scanned):
            self._check_space(len(payload))
            if scanned.levels and not self.live.nest(scanned.levels):
                self._check_depth(scanned.levels)
            if not self.live.admit(payload):
                raise UnsafeUpdate(_UNSAFE)
            clocks = self.live.clocks
            for client, _, end in scanned.ranges:
                if end > clocks.get(client, 0):
                    clocks[client] = end
                    if types and session is not None:
                        self._ids.bind(session, ClientId(client))
            self._enqueue(session, user_id, payload)
            self._schedule()
        # Without news it may still repeat an edit that is not committed yet: then it is saved with that one.
        batch = self._newest_batch()
        if session is not None:
            session.batch = batch
        return batch

    def _enqueue(self, session: Session | None, user_id: str | None, payload: bytes) -> Batch:
        self._pending.append((session, user_id, payload))
        batch = self._batch
        if batch is None:
            batch = self._batch = Batch()
        return batch

    def _check_space(self, size: int) -> None:
        if self.stats.unsaved_bytes + size > self.limits.unsaved_bytes_max:
            raise StoreUnavailable("the server cannot save right now; keep your edits and come back later")
        if self._document_bytes + size > self.limits.document_bytes_max:
            # What was received overstates what it merged into: measure before refusing.
            self._document_bytes = len(self.live.state())
            if self._document_bytes + size > self.limits.document_bytes_max:
                raise MessageTooLarge(f"a document may have {self.limits.document_bytes_max} bytes; this one is full")
        self._document_bytes += size

    def _check_depth(self, levels: int) -> None:
        self.flush()
        self._check_live()
        self.live.measure_levels()
        if not self.live.nest(levels):
            raise LimitExceeded("shared types are nested too deep")

    # -- updates that wait --------------------

    def _hold(self, session: Session, held: Held, owners: list[Session]) -> None:
        self._waiting.hold(session, held)
        self.stats.updates_held += 1
        self._host.holding(self)
        self._probe(held, owners)
        if not owners:
            self.ask(session)
        if held.sections is not None:
            self._retry_waiting()

    def _probe(self, held: Held, owners: list[Session]) -> None:
        """Ask whoever keeps an update from being taken whether they are still there, once each."""
        for owner in owners:
            if owner not in held.probed:
                held.probed.append(owner)
                owner.connection.probe(_PROBE_SECONDS)

    def ask(self, session: Session) -> None:
        """Ask a client for what the document lacks; while the document is read again, that is done afterwards."""
        self.flush()
        if not self.reloading:
            session.ask(self.live.vector())

    def _retry_waiting(self) -> None:
        if not self._waiting or self.closed is not None or self._retrying:
            return
        self._retrying = True
        try:
            self._waiting.retry(self._accept_held)
            while not self.reloading and self._waiting.take_turns(
                self.live.clocks, self._ids.may_bring, self._accept_piece
            ):
                self._waiting.retry(self._accept_held)
        finally:
            self._retrying = False

    def _accept_piece(self, session: Session, payload: bytes, repeats: bool) -> bool:
        if repeats and self.live.knows(payload):
            session.batch = self._newest_batch()
            return True
        scanned = scan_update(payload)
        alone = repeats and scanned.deletes
        if alone:
            self.flush()
        if self.reloading or not self.live.attaches(scanned):
            return False
        self._accept(session, session.grant.user_id, payload, scanned, types=False)
        if alone:
            self.flush(news_only=True)
        return True

    def _accept_held(self, session: Session, held: Held) -> bool:
        live = self.live
        if held.contested:
            owners = self._ids.others(session, held.scanned, live.clocks)
            barred = bool(owners)
            self._probe(held, owners)
        else:
            # It came before anybody owned the id, so a connection that merely filled the gap does not bar it; one
            # that announces the id as its own does.
            barred = self._ids.announced_by_another(session, held.scanned, live.clocks)
        if barred or self.reloading or not live.attaches(held.scanned):
            return False
        self._accept(session, session.grant.user_id, held.payload, held.scanned, types=not held.from_sync)
        return True

    def expire_held(self) -> bool:
        """End sessions whose updates have waited too long. Returns whether any still wait."""
        self._waiting.expire(self._clock.time())
        return bool(self._waiting)

    # -- flush and commit --------------------

    def _schedule(self) -> None:
        if self._timer is None:
            wait = self._flushed_at + self._rest() - self._clock.time()
            self._timer = self._clock.call_soon(self.flush) if wait <= 0 else self._clock.call_later(wait, self.flush)

    def _rest(self) -> float:
        if self._flush_cost < _IDLE_COST:
            return 0.0
        return min(self.limits.flush_seconds_max, _DUTY * self._flush_cost)

    def flush(self, *, news_only: bool = False) -> None:
        """Apply, relay and submit what is pending (rule R3); with `news_only`, just what is new in it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.reloading:
            return
        started = self._clock.time()
        try:
            if self._pending:
                self._flush_updates(news_only)
            if self._awareness.dirty:
                for payload in self._awareness.take_changes():
                    self._fanout.send(_encode_awareness, payload, skip=None)
        except Exception as error:
            # Most likely out of memory. A batch may be lost between the Doc and the log, and an acknowledgement of a
            # later one would cover it.
            self._host.fail(error)
            raise
        self._flushed_at = self._clock.time()
        took = min(self._flushed_at - started, 2 * self._flush_cost + _IDLE_COST)
        self._flush_cost += (took - self._flush_cost) * 0.2

    def _flush_updates(self, news_only: bool) -> None:
        pending = self._pending
        updates = [payload for _, _, payload in pending]
        try:
            update = self.live.apply_news(updates) if news_only else self.live.apply(updates)
        except Panicked:
            self.fault()
            return
        batch, self._batch = self._batch, None
        self._pending = []
        assert batch is not None
        if update is None:
            self._settle(batch)
            return
        self.stats.flushes += 1
        sender, user_id, _ = pending[0]
        if len(pending) == 1:
            batch.updates = [NewUpdate(user_id, update)]
        else:
            if any(session is not sender for session, _, _ in pending):
                sender = None
            if all(user == user_id for _, user, _ in pending):
                batch.updates = [NewUpdate(user_id, update)]
            else:
                batch.updates = merge_runs(NewUpdate(user, payload) for _, user, payload in pending)
        self._fanout.send(_encode_update, update, skip=sender)
        self._submit(batch, len(update))
        self._retry_waiting()

    def _settle(self, batch: Batch) -> None:
        """It brought nothing new after all: it is saved with what was accepted before it."""
        if self._uncommitted:
            self._uncommitted[-1].when_done.append(batch.finish)
        else:
            batch.finish(self.head)

    def _submit(self, batch: Batch, size: int) -> None:
        self._rows_since += len(batch.updates)
        self._bytes_since += size
        if self._checkpoint_due() and not self._gaps:
            batch.checkpoint = self.merged_state()
            self._rows_since = self._bytes_since = 0
            self._document_bytes = self._checkpoint_bytes = len(batch.checkpoint.state)
        self._uncommitted.append(batch)
        self._host.submit(self, batch)

    def _checkpoint_due(self) -> bool:
        return self._rows_since >= self.limits.checkpoint_rows or self._bytes_since >= max(
            self.limits.checkpoint_bytes, self._checkpoint_bytes
        )

    def committed(self, batches: list[Batch], last_seq: Seq, rows: int) -> None:
        """The log has these batches, the oldest uncommitted ones, as `rows` rows that end with `last_seq`."""
        del self._uncommitted[: len(batches)]
        before = Seq(last_seq - rows)
        if before > self.head:
            self._miss(self.head, before)
        elif batches[-1].checkpoint is not None:
            self._host.write_checkpoint(self, last_seq, batches[-1].checkpoint)
        self.head = last_seq
        for batch in batches:
            batch.finish(last_seq)

    def _miss(self, after: Seq, through: Seq) -> None:
        self._gaps.append((after, through))
        self._drop_checkpoints()
        if len(self._gaps) == 1:
            self._host.fill_gaps(self)

    def _drop_checkpoints(self) -> None:
        """What was to be written after a commit lacks rows that turned out to be before it."""
        for batch in self._uncommitted:
            batch.checkpoint = None

    def integrate(self, rows: list[StoredUpdate]) -> None:
        """Apply and relay rows that another writer committed: the first of `gap`, in order."""
        self.flush()
        if self.reloading:
            return
        try:
            update = self.live.apply_news([row.payload for row in rows])
            self.live.refresh_clocks()
        except Panicked:
            self.fault()
            return
        self._close_gap(rows[-1].seq)
        if update is not None:
            self._fanout.send(_encode_update, update, skip=None)
            self._retry_waiting()

    def _close_gap(self, through: Seq) -> None:
        while self._gaps and self._gaps[0][1] <= through:
            del self._gaps[0]
        if self._gaps and self._gaps[0][0] < through:
            self._gaps[0] = (through, self._gaps[0][1])

    # -- after a fault --------------------

    def postpone(self, session: Session, message: bytes) -> None:
        """Keep a message until the document is read again.

        Raises:
            StoreUnavailable: it takes too long.
        """
        self._backlog_bytes += len(message)
        if self._backlog_bytes > self.limits.sync_bytes_max:
            raise StoreUnavailable("the server cannot read this document right now; come back later")
        self._backlog.append((session, message))

    def fault(self) -> None:
        """The Doc is not to be trusted any more: have the document read again."""
        if not self.reloading:
            self.reloading = True
            self.stats.reloads += 1
            self._host.reload(self)

    def reloaded(self, loaded: LoadedDocument) -> None:
        """Rule R5: go on with a fresh Doc, without the updates that pycrdt cannot take.

        Raises:
            Panicked: the stored document itself cannot be applied.
        """
        seen = self.head if self.gap is None else self.gap[0]
        self._adopt(loaded)
        if loaded.head > seen:
            # Rows of other writers, perhaps: whoever is connected has not been told of them, and will not ask.
            self._fanout.send(_encode_update, self.live.state(), skip=None)
        pending, self._pending = self._pending, []
        batch, self._batch = self._batch, None
        good, bad = sift(self.live.state(), [(entry, entry[2]) for entry in pending])
        self.reloading = False
        self._retrying = True  # What waits comes after what was accepted.
        for session, _, _ in bad:
            if session is not None:
                session.end(MalformedMessage("an update cannot be applied to this document"))
        for nth, entry in enumerate(good):
            if not self.live.attaches(scan_update(entry[2])):
                if entry[0] is not None:
                    entry[0].end(RoomClosed("an edit that yours builds on could not be applied; connect again"))
                continue
            self._pending, self._batch = [entry], Batch()
            self._flush_updates(news_only=False)
            if self.reloading:
                self._pending += good[nth + 1 :]
                break
            self.live.refresh_clocks()
        self._retrying = False
        if batch is not None and self._batch is not None:
            self._batch.when_done.append(batch.finish)
        elif batch is not None:
            self._settle(batch)
        if self.reloading:
            return
        self._retry_waiting()
        for session in list(self.sessions):
            self.ask(session)
        backlog, self._backlog, self._backlog_bytes = self._backlog, [], 0
        for session, message in backlog:
            session.receive(message)


def _encode_update(dialect: Dialect, update: bytes) -> bytes:
    return dialect.update(update)


def _encode_awareness(dialect: Dialect, payload: bytes) -> bytes:
    return dialect.awareness(payload)
