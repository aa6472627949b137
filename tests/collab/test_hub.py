"""The rules of collab.hub, on the in-memory log."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pycrdt import Doc, Text

from collab.awareness import RENEW_S
from collab.dialects.y_partyserver import Y_PARTYSERVER
from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.errors import (
    CollabError,
    CorruptUpdate,
    DocumentNotFound,
    PermissionDenied,
    RoomClosed,
    StoreError,
    StoreUnavailable,
    UpdateGap,
)
from collab.hub import Hub
from collab.limits import RoomLimits
from collab.live import LiveDocument
from collab.ports import LoadedDocument
from collab.types import DocumentId, Grant, Role, Seq, parse_document_id
from storage.memory import MemoryUpdateLog
from tests.collab.pairs import MemoryConnection
from tests.support import eventually

DOCUMENT = parse_document_id("hub/one")
EDITOR = Grant(DOCUMENT, Role.EDITOR, "anna", may_create=True)
READER = Grant(DOCUMENT, Role.READER, "ben")


def typed(text: str) -> bytes:
    doc = Doc[Text]()
    doc.get("text", type=Text).insert(0, text)
    return doc.get_update()


def text_of(state: bytes) -> str:
    doc = Doc[Text]()
    doc.apply_update(state)
    return str(doc.get("text", type=Text))


def test_what_was_loaded_answers_who_has_nothing_until_something_changes() -> None:
    stored = typed("one")
    document = LiveDocument([stored])
    assert document.since(b"\x00") == stored
    doc = Doc[Text]()
    doc.apply_update(stored)
    before = doc.get_state()
    doc.get("text", type=Text).insert(3, " two")
    document.apply([doc.get_update(before)])
    assert text_of(document.since(b"\x00")) == "one two"


class CountingLog(MemoryUpdateLog):
    """Counts loads, and holds them back or fails as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.load_errors: list[CollabError] = []
        self.append_error: CollabError | None = None
        self.stale: list[LoadedDocument] = []
        """What the next loads answer: read before something was committed, handed over after."""

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        self.loads += 1
        await self.gate.wait()
        if self.load_errors:
            raise self.load_errors.pop(0)
        if self.stale:
            return self.stale.pop(0)
        return await super().load(document, create=create)

    async def append(self, appends):  # type: ignore[no-untyped-def]
        if self.append_error is not None:
            raise self.append_error
        return await super().append(appends)


@pytest.fixture
def log() -> CountingLog:
    return CountingLog()


@pytest.fixture
async def hub(log: CountingLog) -> AsyncIterator[Hub]:
    hub = Hub(log, frame=lambda message: message, limits=RoomLimits(idle_seconds=0))
    await hub.start()
    yield hub
    await hub.close()


@pytest.mark.rule("H1")
async def test_a_document_is_loaded_once_however_many_ask(hub: Hub, log: CountingLog) -> None:
    log.gate.clear()
    asked = [asyncio.create_task(hub.open(EDITOR)) for _ in range(20)]
    await eventually(lambda: log.loads == 1)
    log.gate.set()
    rooms = await asyncio.gather(*asked)
    assert len(set(rooms)) == 1
    assert log.loads == 1


@pytest.mark.rule("H1")
async def test_a_client_that_gives_up_waiting_takes_the_room_from_nobody(hub: Hub, log: CountingLog) -> None:
    log.gate.clear()
    first, second = asyncio.create_task(hub.open(EDITOR)), asyncio.create_task(hub.open(EDITOR))
    await eventually(lambda: log.loads == 1)
    first.cancel()
    log.gate.set()
    assert (await second).document == DOCUMENT


async def test_only_a_grant_that_may_create_brings_a_document_into_being(hub: Hub) -> None:
    with pytest.raises(DocumentNotFound):
        await hub.open(READER)
    await hub.open(EDITOR)
    assert (await hub.open(READER)).document == DOCUMENT


async def test_an_applied_update_is_in_the_log_when_apply_returns(hub: Hub, log: CountingLog) -> None:
    update = typed("posted")
    assert await hub.apply(EDITOR, update) == 1
    page = await log.read(DOCUMENT, after=Seq(0), limit=10, bytes_max=1000)
    assert [(row.seq, row.user_id, row.payload) for row in page.updates] == [(1, "anna", update)]
    assert await hub.apply(EDITOR, update) == 1
    assert text_of(await hub.state(READER)) == "posted"


async def test_apply_refuses_who_may_not_and_what_does_not_attach(hub: Hub) -> None:
    await hub.open(EDITOR)
    with pytest.raises(PermissionDenied):
        await hub.apply(READER, typed("no"))
    with pytest.raises(UpdateGap):
        await hub.apply(EDITOR, bytes.fromhex("010105012801016d0179017c3f80000000"))
    assert text_of(await hub.state(READER)) == ""


async def test_a_fault_on_load_is_told_and_the_next_one_may_succeed(hub: Hub, log: CountingLog) -> None:
    log.load_errors = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await hub.open(EDITOR)
    assert (await hub.open(EDITOR)).document == DOCUMENT


async def test_stored_rows_that_cannot_be_applied_are_not_served(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.apply(EDITOR, typed("fine"))
    await eventually(lambda: hub.stats.rooms == 0)

    def panics(_live: LiveDocument, _parts: list[bytes]) -> None:
        from collab.guard import Panicked

        raise Panicked("index out of bounds")

    monkeypatch.setattr(LiveDocument, "__init__", panics)
    with pytest.raises(CorruptUpdate):
        await hub.open(EDITOR)


@pytest.mark.rule("H2")
async def test_an_empty_room_leaves_memory_and_is_loaded_again(hub: Hub, log: CountingLog) -> None:
    room = await hub.open(EDITOR)
    session = hub.attach(room, EDITOR, MemoryConnection(), Y_WEBSOCKET)
    session.receive(Y_WEBSOCKET.update(typed("kept")))
    session.closed()
    await eventually(lambda: hub.stats.rooms == 0)
    assert log.loads == 1
    assert text_of(await hub.state(READER)) == "kept"
    assert log.loads == 2


@pytest.mark.rule("H2")
async def test_a_room_with_uncommitted_edits_stays(log: CountingLog) -> None:
    hub = Hub(log, frame=lambda message: message, limits=RoomLimits(idle_seconds=0))
    await hub.start()
    room = await hub.open(EDITOR)
    log.append_error = StoreUnavailable("away")
    session = hub.attach(room, EDITOR, MemoryConnection(), Y_WEBSOCKET)
    session.receive(Y_WEBSOCKET.update(typed("unsaved")))
    session.closed()
    await eventually(lambda: hub.stats.commit_failures > 2)
    assert (hub.stats.rooms, hub.ready) == (1, False)
    log.append_error = None
    await eventually(lambda: hub.stats.rooms == 0)
    assert (hub.stats.rooms, hub.ready) == (0, True)
    assert text_of(await hub.state(READER)) == "unsaved"
    await hub.close()


async def test_a_socket_that_comes_too_late_for_its_room_is_told_to_come_again(hub: Hub) -> None:
    room = await hub.open(EDITOR)
    await eventually(lambda: hub.stats.rooms == 0)
    connection = MemoryConnection()
    hub.attach(room, EDITOR, connection, Y_WEBSOCKET)
    assert connection.close_code == 1012


async def test_closing_commits_and_acknowledges_before_it_says_goodbye(log: CountingLog) -> None:
    hub = Hub(log, frame=lambda message: message)
    await hub.start()
    connection = MemoryConnection()
    session = hub.attach(await hub.open(EDITOR), EDITOR, connection, Y_WEBSOCKET)
    session.receive(Y_WEBSOCKET.update(typed("last words")))
    session.receive(Y_WEBSOCKET.acknowledgement(b"\x01"))
    await hub.close()
    await hub.close()
    assert Y_WEBSOCKET.acknowledgement(b"\x01") in connection.inbox
    assert connection.close_code == 1012
    assert (await log.read(DOCUMENT, after=Seq(0), limit=10, bytes_max=1000)).head == 1
    with pytest.raises(RoomClosed):
        await hub.open(EDITOR)


@pytest.mark.rule("H3")
async def test_a_broken_log_ends_everything_and_acknowledges_nothing(log: CountingLog) -> None:
    failures: list[BaseException] = []
    hub = Hub(log, frame=lambda message: message, on_failure=failures.append)
    await hub.start()
    connection = MemoryConnection()
    session = hub.attach(await hub.open(EDITOR), EDITOR, connection, Y_WEBSOCKET)
    log.append_error = StoreError("fsync failed")
    session.receive(Y_WEBSOCKET.update(typed("x")))
    session.receive(Y_WEBSOCKET.acknowledgement(b"\x01"))
    await eventually(lambda: bool(failures))
    assert connection.close_code == 1011
    assert Y_WEBSOCKET.acknowledgement(b"\x01") not in connection.inbox
    assert not hub.ready
    await hub.close()


async def test_whoever_waits_for_a_commit_that_will_not_come_is_told(log: CountingLog) -> None:
    hub = Hub(log, frame=lambda message: message)
    await hub.start()
    await hub.open(EDITOR)
    log.append_error = StoreUnavailable("away")
    waiting = asyncio.create_task(hub.apply(EDITOR, typed("x")))
    await eventually(lambda: hub.stats.commit_failures > 0)
    await hub.close(deadline_s=0)
    with pytest.raises(RoomClosed):
        await waiting
    broken = Hub(log, frame=lambda message: message)
    await broken.start()
    await broken.open(EDITOR)
    log.append_error = StoreError("fsync failed")
    with pytest.raises(StoreError):
        await broken.apply(EDITOR, typed("x"))
    await broken.close()


@pytest.mark.rule("H1")
async def test_what_is_committed_while_a_document_is_read_again_is_not_missing(hub: Hub, log: CountingLog) -> None:
    """Found by reading and shown by simulation: the rows were read, then an edit was committed, then the document was
    made from those rows. The edit was neither in them nor uncommitted any more.
    """
    await hub.apply(EDITOR, typed("one"))
    room = await hub.open(EDITOR)
    stale = await log.load(DOCUMENT, create=False)
    log.stale.append(stale)
    await hub.apply(EDITOR, typed("two"))
    room.fault()
    await eventually(lambda: not room.reloading)
    assert sorted(text_of(await hub.state(EDITOR))) == sorted("onetwo")
    assert room.head == 2


@pytest.mark.rule("H4")
async def test_a_checkpoint_that_does_not_reload_to_the_same_is_not_written(
    log: CountingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(log, frame=lambda message: message, limits=RoomLimits(checkpoint_rows=1))
    await hub.start()
    genuine = LiveDocument.state
    monkeypatch.setattr(LiveDocument, "state", lambda _live: b"\x00\x00")
    await hub.apply(EDITOR, typed("one"))
    monkeypatch.setattr(LiveDocument, "state", genuine)
    await hub.apply(EDITOR, typed("two"))
    await eventually(lambda: hub.stats.checkpoints_written == 1)
    loaded = await log.load(DOCUMENT, create=False)
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.through == 2
    await hub.close()


async def test_closing_leaves_nothing_that_takes_long_to_load(log: CountingLog) -> None:
    hub = Hub(log, frame=lambda message: message)
    await hub.start()
    await hub.apply(EDITOR, typed("long " * 10_000))
    await hub.close()
    loaded = await log.load(DOCUMENT, create=False)
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.through == loaded.head == 1


async def test_closing_a_document_ends_its_sessions_with_the_given_code(hub: Hub) -> None:
    connection = MemoryConnection()
    session = hub.attach(await hub.open(EDITOR), EDITOR, connection, Y_WEBSOCKET)
    hub.close_document(DOCUMENT, DocumentNotFound("this document is in the bin"))
    assert connection.close_code == 4404
    session.receive(Y_WEBSOCKET.update(typed("too late")))
    assert text_of(await hub.state(READER)) == ""


class Ahead:
    """The loop's clock, and more."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ahead = 0.0

    def time(self) -> float:
        return self.loop.time() + self.ahead

    def call_soon(self, callback: Callable[[], object], /) -> asyncio.Handle:
        return self.loop.call_soon(callback)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        return self.loop.call_later(delay, callback)


@pytest.mark.rule("A6")
async def test_presence_that_its_client_does_not_renew_is_renewed(log: CountingLog) -> None:
    clock = Ahead()
    hub = Hub(log, frame=lambda message: message, clock=clock)
    await hub.start()
    try:
        room = await hub.open(EDITOR)
        silent, other = MemoryConnection(), MemoryConnection()
        session = hub.attach(room, EDITOR, silent, Y_PARTYSERVER)
        hub.attach(room, EDITOR, other, Y_WEBSOCKET)

        def told(clock: int) -> bool:
            return Y_WEBSOCKET.awareness(bytes((1, 7, clock, 2)) + b"{}") in other.inbox

        session.receive(Y_WEBSOCKET.awareness(bytes((1, 7, 1, 2)) + b"{}"))
        await eventually(lambda: told(1), "it is seen")
        clock.ahead = RENEW_S
        await eventually(lambda: told(2), "it is heard of again")
        clock.ahead = 2 * RENEW_S
        await eventually(lambda: told(3), "and again")
    finally:
        await hub.close()
