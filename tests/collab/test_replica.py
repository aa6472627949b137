"""Documents for code in this process (rules E1–E3 of `collab.replica`), and clients behind channels."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pycrdt import Doc, Provider, Text

from collab.errors import DocumentNotFound, MessageTooLarge, PermissionDenied, RoomClosed
from collab.hub import Hub
from collab.replica import REMOTE, Replica
from collab.types import Grant, Role, Seq, parse_document_id
from storage.memory import MemoryUpdateLog
from tests.support import eventually

DOCUMENT = parse_document_id("embedded/one")
ANN = Grant(DOCUMENT, Role.EDITOR, "ann", "Ann", may_create=True)
BOB = Grant(DOCUMENT, Role.EDITOR, "bob", "Bob", may_create=True)
READER = Grant(DOCUMENT, Role.READER, "rose", "Rose")


@pytest.fixture
def log() -> MemoryUpdateLog:
    return MemoryUpdateLog()


@pytest.fixture
async def hub(log: MemoryUpdateLog) -> AsyncIterator[Hub]:
    hub = Hub(log)
    await hub.start()
    yield hub
    await hub.close()


def text_of(replica: Replica) -> Text:
    text: Text = replica.doc.get("text", type=Text)
    return text


async def rows(log: MemoryUpdateLog) -> list[tuple[int, str | None]]:
    page = await log.read(DOCUMENT, after=Seq(0), limit=100, bytes_max=1_000_000)
    return [(row.seq, row.user_id) for row in page.updates]


@pytest.mark.rule("E1")
@pytest.mark.rule("E2")
async def test_an_edit_is_seen_by_others_and_committed_as_its_persons(hub: Hub, log: MemoryUpdateLog) -> None:
    async with hub.join(ANN) as ann, hub.join(BOB) as bob:
        with ann.transaction():
            text = text_of(ann)
            text += "Hello"
            text.insert(0, "> ")
        await ann.saved()
        assert await rows(log) == [(1, "ann")]
        await eventually(lambda: str(text_of(bob)) == "> Hello")
        text_of(bob).insert(0, "Bob ")  # outside of a transaction
        await bob.saved()
        await eventually(lambda: str(text_of(ann)) == "Bob > Hello")
    assert await rows(log) == [(1, "ann"), (2, "bob")]


@pytest.mark.rule("E2")
async def test_the_end_of_the_block_waits_for_the_commit(hub: Hub, log: MemoryUpdateLog) -> None:
    async with hub.join(ANN) as ann:
        text_of(ann).insert(0, "Hello")
    assert await rows(log) == [(1, "ann")]
    async with hub.join(READER) as reader:
        assert str(text_of(reader)) == "Hello"


async def test_observers_are_told_whose_change_it_is(hub: Hub) -> None:
    origins: list[object] = []
    async with hub.join(ANN) as ann, hub.join(BOB) as bob:
        text = text_of(ann)
        text.observe(lambda event: origins.append(event.transaction.origin))
        with ann.transaction(origin="import"):
            text.insert(0, "a")
        await ann.saved()
        text_of(bob).insert(0, "b")
        await eventually(lambda: len(origins) == 2)
    assert origins == ["import", REMOTE]


@pytest.mark.rule("E3")
async def test_changes_of_others_wait_for_the_end_of_a_transaction(hub: Hub) -> None:
    async with hub.join(ANN) as ann, hub.join(BOB) as bob:
        with ann.transaction():
            text_of(ann).insert(0, "a")
            text_of(bob).insert(0, "b")
            await bob.saved()
            assert str(text_of(ann)) == "a"
        await ann.saved()
        await eventually(lambda: len(str(text_of(ann))) == len(str(text_of(bob))) == 2)
        assert str(text_of(ann)) == str(text_of(bob))


async def test_a_reader_reads_and_may_not_write(hub: Hub, log: MemoryUpdateLog) -> None:
    async with hub.join(ANN) as ann:
        text_of(ann).insert(0, "Hello")
    async with hub.join(READER) as reader:
        await reader.saved()  # There is nothing to refuse yet.
        text_of(reader).insert(0, "no")
        with pytest.raises(PermissionDenied):
            await reader.saved()
        reader.close()
    assert await rows(log) == [(1, "ann")]


async def test_a_document_that_does_not_exist(hub: Hub) -> None:
    with pytest.raises(DocumentNotFound):
        async with hub.join(READER):
            pass


async def test_what_nobody_may_send_is_refused_here_as_well(hub: Hub, log: MemoryUpdateLog) -> None:
    with pytest.raises(MessageTooLarge):
        await write_all(hub, "x" * 1_100_000)
    await write_all(hub, "👋")
    assert await rows(log) == [(1, "ann")]


async def write_all(hub: Hub, content: str) -> None:
    async with hub.join(ANN) as ann:
        text_of(ann).insert(0, content)


async def test_a_document_that_is_closed_meanwhile_says_so(hub: Hub) -> None:
    async with hub.join(ANN) as ann:
        hub.close_document(DOCUMENT, DocumentNotFound("it was moved to the bin"))
        assert isinstance(ann.error, DocumentNotFound)
        text_of(ann).insert(0, "too late")
        with pytest.raises(DocumentNotFound, match="bin"):
            await ann.saved()
        ann.close()  # The end of the block would raise it once more.


async def test_it_does_not_keep_the_document_in_memory_afterwards(hub: Hub) -> None:
    async with hub.join(ANN):
        assert hub.stats.connections == 1
    assert hub.stats.connections == 0


async def test_an_error_in_the_block_leaves_the_document_at_once(hub: Hub) -> None:
    async def fail() -> None:
        async with hub.join(ANN) as ann:
            text_of(ann).insert(0, "a")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert hub.stats.connections == 0


# -- channels


class Pipe:
    """One end of a `pycrdt.Channel` in memory."""

    def __init__(self, incoming: "asyncio.Queue[bytes | None]", outgoing: "asyncio.Queue[bytes | None]") -> None:
        self.path = DOCUMENT
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, message: bytes) -> None:
        await self._outgoing.put(message)

    async def recv(self) -> bytes:
        message = await self._incoming.get()
        if message is None:
            raise StopAsyncIteration
        return message

    def __aiter__(self) -> "Pipe":
        return self

    async def __anext__(self) -> bytes:
        return await self.recv()


def pipe() -> tuple[Pipe, Pipe, "asyncio.Queue[bytes | None]"]:
    """Both ends, and the way to the server: None in it is its end."""
    there: asyncio.Queue[bytes | None] = asyncio.Queue()
    back: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
    return Pipe(there, back), Pipe(back, there), there


async def test_a_provider_of_pycrdt_takes_part_through_a_channel(hub: Hub, log: MemoryUpdateLog) -> None:
    ours, theirs, end = pipe()
    serving = asyncio.create_task(hub.serve(BOB, ours))
    doc: Doc[Any] = Doc()
    async with hub.join(ANN) as ann:
        text_of(ann).insert(0, "Hello")
        async with Provider(doc, theirs):
            text = doc.get("text", type=Text)
            await eventually(lambda: str(text) == "Hello")
            text += " world"
            await eventually(lambda: str(text_of(ann)) == "Hello world")
    await end.put(None)
    await serving
    assert hub.stats.connections == 0

    async def both() -> bool:
        return await rows(log) == [(1, "ann"), (2, "bob")]

    await eventually(both, "both edits are committed")


async def test_a_channel_is_told_nothing_more_when_its_document_is_closed(hub: Hub) -> None:
    ours, theirs, _ = pipe()
    serving = asyncio.create_task(hub.serve(ANN, ours))
    await theirs.recv()
    hub.close_document(DOCUMENT, RoomClosed("the server is restarting"))
    with pytest.raises(RoomClosed):
        await serving


async def test_a_channel_that_sends_nonsense_is_ended(hub: Hub) -> None:
    ours, theirs, _ = pipe()
    serving = asyncio.create_task(hub.serve(ANN, ours))
    await theirs.send(b"\x63nonsense")
    with pytest.raises(Exception, match="unknown message type"):
        await serving
    assert hub.stats.connections == 0


async def test_who_reads_slowly_misses_nothing(hub: Hub) -> None:
    ours, theirs, end = pipe()
    serving = asyncio.create_task(hub.serve(BOB, ours))
    async with hub.join(ANN) as ann:
        for number in range(200):
            with ann.transaction():
                text_of(ann).insert(0, f"{number:05} " + "x" * 8_000)
            await ann.saved()
        doc: Doc[Any] = Doc()
        async with Provider(doc, theirs):
            await eventually(lambda: str(doc.get("text", type=Text)) == str(text_of(ann)))
    assert hub.stats.resyncs > 0
    await end.put(None)
    await serving
