"""Documents that cannot be loaded: found in a process of their own, put away, shown as far as they can be."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pycrdt import Doc, Text

from collab.errors import CorruptUpdate, DocumentQuarantined, StoreUnavailable
from collab.examination import examine, salvage
from collab.hub import Hub
from collab.limits import RoomLimits
from collab.load_watch import FILE_NAME, LoadWatch
from collab.loading import release
from collab.ports import Append, Checkpoint, NewUpdate, Reporter
from collab.types import DocumentId, Grant, Role, Seq
from storage.memory import MemoryDatabase
from tests import hostile
from tests.support import eventually

A, B = DocumentId("a"), DocumentId("b")
POISON = hostile.update(hostile.section(1, 0, hostile.value(hostile.nested_arrays())))
BOMB = [*hostile.nested_types_in_steps(), hostile.update(deletions=hostile.deletions({1: [(0, 1)]}))]
"""Each is harmless alone; together they end the process."""


def grant(document: DocumentId) -> Grant:
    return Grant(document, Role.EDITOR, "anna", may_create=True)


def typed(text: str) -> bytes:
    doc = Doc[Text]()
    doc.get("text", type=Text).insert(0, text)
    return doc.get_update()


def text_of(state: bytes) -> str:
    doc = Doc[Text]()
    doc.apply_update(state)
    return str(doc.get("text", type=Text))


class Listener(Reporter):
    def __init__(self) -> None:
        self.reasons: dict[DocumentId, str] = {}

    def quarantined(self, document: DocumentId, reason: str) -> None:
        self.reasons[document] = reason


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def reported() -> Listener:
    return Listener()


@pytest.fixture
async def hub(database: MemoryDatabase, tmp_path: Path, reported: Listener) -> AsyncIterator[Hub]:
    """Its process before died while it loaded document A."""
    die_while_loading(tmp_path, A)
    watch = LoadWatch.open(tmp_path)
    hub = Hub(
        database.log,
        frame=lambda message: message,
        limits=RoomLimits(idle_seconds=0),
        quarantine=database.quarantine,
        watch=watch,
        reporter=reported,
    )
    await hub.start()
    yield hub
    await hub.close()
    watch.close()


def die_while_loading(directory: Path, document: DocumentId) -> None:
    """A process of its own marks the document as being loaded and is killed, as by a crash inside pycrdt."""
    program = (
        "import os, signal, sys; from pathlib import Path; from collab.load_watch import LoadWatch\n"
        "with LoadWatch.open(Path(sys.argv[1])).loading(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, directory, document], check=False).returncode == -9


async def fill(database: MemoryDatabase, document: DocumentId, *updates: bytes) -> None:
    await database.log.load(document, create=True)
    await database.log.append([Append(document, (NewUpdate("anna", update),)) for update in updates])


# -- the process that may die -------------------------------------------------


async def test_a_document_that_can_be_loaded_comes_back_whole() -> None:
    examined = await examine([typed("one "), typed("two ")])
    assert (examined.applied, examined.fault) == (2, "")
    assert examined.state is not None
    assert sorted(text_of(examined.state).split()) == ["one", "two"]
    assert (await examine([])).state is not None


@pytest.mark.parametrize(
    ("parts", "applied", "fault"),
    [
        ([typed("fine"), POISON], 1, "must not apply"),
        (BOMB, len(BOMB) - 1, "SIGSEGV"),
        ([typed("fine"), b"nonsense"], 1, "must not apply"),
    ],
    ids=["an update that the scanner knows", "a crash", "no update"],
)
async def test_a_document_that_cannot_be_loaded_ends_only_its_own_process(
    parts: list[bytes], applied: int, fault: str
) -> None:
    examined = await examine(parts)
    assert (examined.applied, examined.state) == (applied, None)
    assert fault in examined.fault


async def test_a_document_that_takes_for_ever_is_not_waited_for() -> None:
    examined = await examine([typed("fine")], seconds_max=0.01)
    assert examined.state is None
    assert "takes more than 0.01 s" in examined.fault


async def test_as_much_is_salvaged_as_can_be_loaded() -> None:
    parts = [typed("fine"), POISON, typed("lost")]
    good, state = await salvage(parts, await examine(parts))
    assert (good, text_of(state)) == (1, "fine")
    good, state = await salvage([POISON], await examine([POISON]))
    assert (good, state) == (0, b"")


# -- what the dead process leaves --------------------------------------------


def test_the_document_that_was_being_loaded_is_suspect_until_it_is_acquitted(tmp_path: Path) -> None:
    die_while_loading(tmp_path, A)
    for _ in range(2):  # a restart in between changes nothing
        watch = LoadWatch.open(tmp_path)
        assert watch.is_suspect(A)
        assert not watch.is_suspect(B)
        with watch.loading(B):
            pass
        watch.close()
    die_while_loading(tmp_path, B)
    watch = LoadWatch.open(tmp_path)
    assert watch.is_suspect(A)
    assert watch.is_suspect(B)
    watch.acquit(A)
    watch.close()
    watch = LoadWatch.open(tmp_path)
    assert not watch.is_suspect(A)
    assert watch.is_suspect(B)
    watch.close()


def test_a_process_that_ends_in_order_leaves_no_suspect(tmp_path: Path) -> None:
    watch = LoadWatch.open(tmp_path)
    with watch.loading(DocumentId("x" * 255)):
        pass
    with pytest.raises(CorruptUpdate), watch.loading(A):
        raise CorruptUpdate("an error is no crash")
    watch.close()
    watch = LoadWatch.open(tmp_path)
    assert not watch.is_suspect(DocumentId("x" * 255))
    assert not watch.is_suspect(A)
    watch.close()


def test_processes_that_share_a_directory_have_a_file_each(tmp_path: Path) -> None:
    first, second = LoadWatch.open(tmp_path), LoadWatch.open(tmp_path)
    with first.loading(A), second.loading(B):
        assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, f"{FILE_NAME}-2"}
    first.close()
    second.close()


def test_nonsense_in_the_file_is_nobodys_fault(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(os.urandom(5000))
    LoadWatch.open(tmp_path).close()


# -- the hub -------------------------------------------------------------------


@pytest.mark.rule("Q1")
@pytest.mark.parametrize("parts", [(typed("kept"), POISON), BOMB], ids=["known to the scanner", "a crash"])
async def test_a_suspect_that_would_end_the_process_goes_into_quarantine(
    hub: Hub, database: MemoryDatabase, reported: Listener, parts: list[bytes]
) -> None:
    await fill(database, A, *parts)
    await fill(database, B, typed("fine"))
    for _ in range(2):
        with pytest.raises(DocumentQuarantined):
            await hub.open(grant(A))
    assert text_of(await hub.state(grant(B))) == "fine"
    assert list(reported.reasons) == [A]
    good = await database.quarantine.last_good(A)
    assert good is not None
    if parts != BOMB:
        assert (good.through, text_of(good.state)) == (1, "kept")


@pytest.mark.rule("Q1")
async def test_an_innocent_suspect_is_opened(hub: Hub, database: MemoryDatabase, reported: Listener) -> None:
    await fill(database, A, typed("fine"))
    assert text_of(await hub.state(grant(A))) == "fine"
    assert reported.reasons == {}


@pytest.mark.rule("Q2")
async def test_rows_that_cannot_be_applied_put_the_document_into_quarantine(
    hub: Hub, database: MemoryDatabase, reported: Listener
) -> None:
    await fill(database, B, typed("kept"), b"nonsense")
    for _ in range(2):
        with pytest.raises(DocumentQuarantined, match="cannot be applied"):
            await hub.open(grant(B))
    good = await database.quarantine.last_good(B)
    assert good is not None
    assert (good.through, text_of(good.state)) == (1, "kept")
    assert reported.reasons == {B: "what is stored of it cannot be applied"}


@pytest.mark.rule("Q2")
async def test_a_checkpoint_that_cannot_be_applied_leaves_nothing_to_show(hub: Hub, database: MemoryDatabase) -> None:
    await fill(database, B, typed("kept"))
    await database.log.write_checkpoint(B, Checkpoint(Seq(1), b"nonsense"))
    with pytest.raises(DocumentQuarantined):
        await hub.open(grant(B))
    assert await database.quarantine.last_good(B) is None


@pytest.mark.rule("Q2")
async def test_a_room_whose_document_turns_out_to_be_damaged_ends_with_4503(hub: Hub, database: MemoryDatabase) -> None:
    await hub.apply(grant(B), typed("kept"))
    room = await hub.open(grant(B))
    database._records.by_name[B].rows.append(database._records.by_name[B].rows[0].__class__(Seq(2), None, 0, b"?"))
    room.fault()
    await eventually(lambda: room.closed is not None)
    assert isinstance(room.closed, DocumentQuarantined)
    assert room.closed.close_code == 4503


@pytest.mark.rule("Q4")
async def test_a_document_is_released_only_when_all_of_it_can_be_loaded(hub: Hub, database: MemoryDatabase) -> None:
    await fill(database, B, typed("kept"), POISON)
    await database.quarantine.admit(B, "it ended the process", None)
    with pytest.raises(DocumentQuarantined, match="stays in quarantine: it holds an update"):
        await hub.release(B)
    del database._records.by_name[B].rows[1]
    with pytest.raises(DocumentQuarantined, match="only rows 1 to 1 are intact"):
        await release(database.quarantine, B)
    await fill(database, A, typed("never in it"))
    await hub.release(A)
    await database.quarantine.admit(A, "it ended the process", None)
    await hub.release(A)
    assert text_of(await hub.state(grant(A))) == "never in it"


async def test_without_processes_a_suspect_has_to_wait(
    hub: Hub, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database, A, typed("fine"))

    async def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with pytest.raises(StoreUnavailable, match="examined first"):
        await hub.open(grant(A))
    monkeypatch.undo()
    assert text_of(await hub.state(grant(A))) == "fine"
