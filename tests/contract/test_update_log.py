"""The contract of `collab.ports.UpdateLog`, on every adapter."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

from collab.errors import DocumentNotFound
from collab.ports import Append, Checkpoint, NewUpdate, StoredUpdate, UpdateLog
from collab.types import DocumentId, Seq
from storage.documents import Documents
from storage.people import USER_ID_BYTES_MAX
from storage.update_log import PAGE_BYTES, PAGE_ROWS
from tests.contract.conftest import START_MS, Store, Stores, WallClock, purge

A, B = DocumentId("notes/a"), DocumentId("notes/b")
EVERYTHING = 1_000_000_000


def append(document: DocumentId, *payloads: bytes, by: str | None = "ada") -> Append:
    return Append(document, tuple(NewUpdate(by, payload) for payload in payloads))


def payloads(rows: Iterable[StoredUpdate]) -> list[bytes]:
    return [row.payload for row in rows]


async def stored(log: UpdateLog, document: DocumentId) -> list[bytes]:
    page = await log.read(document, after=Seq(0), limit=100_000, bytes_max=EVERYTHING)
    assert [row.seq for row in page.updates] == list(range(1, page.head + 1))
    return payloads(page.updates)


@pytest.fixture(autouse=True)
async def two_documents(log: UpdateLog) -> None:
    for document in (A, B):
        await log.load(document, create=True)


@pytest.mark.rule("L1")
async def test_rows_are_numbered_from_one_without_gaps(log: UpdateLog) -> None:
    assert await log.append([append(A, b"1", b"2")]) == [2]
    assert await log.append([append(A, b"3")]) == [3]
    page = await log.read(A, after=Seq(0), limit=10, bytes_max=EVERYTHING)
    assert [(row.seq, row.payload) for row in page.updates] == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert page.head == 3


@pytest.mark.rule("L1")
async def test_each_document_has_numbers_of_its_own(log: UpdateLog) -> None:
    assert await log.append([append(A, b"a1"), append(B, b"b1", b"b2")]) == [1, 2]
    assert await log.append([append(B, b"b3"), append(A, b"a2")]) == [3, 2]
    assert await stored(log, A) == [b"a1", b"a2"]
    assert await stored(log, B) == [b"b1", b"b2", b"b3"]


@pytest.mark.rule("L1")
async def test_one_call_may_hold_a_document_several_times(log: UpdateLog) -> None:
    assert await log.append([append(A, b"1", b"2"), append(B, b"x"), append(A, b"3"), append(A, b"4", b"5")]) == [
        2,
        1,
        3,
        5,
    ]
    assert await stored(log, A) == [b"1", b"2", b"3", b"4", b"5"]


async def test_appending_nothing_does_nothing(log: UpdateLog) -> None:
    assert await log.append([]) == []
    assert await stored(log, A) == []


async def test_a_row_keeps_its_author_and_the_time_of_its_commit(log: UpdateLog, clock: WallClock) -> None:
    clock.now_ms = START_MS + 5
    await log.append([Append(A, (NewUpdate("ada", b"1"), NewUpdate(None, b"2"), NewUpdate("Ada", b"3")))])
    page = await log.read(A, after=Seq(0), limit=10, bytes_max=EVERYTHING)
    assert page.updates == [
        StoredUpdate(Seq(1), "ada", START_MS + 5, b"1"),
        StoredUpdate(Seq(2), None, START_MS + 5, b"2"),
        StoredUpdate(Seq(3), "Ada", START_MS + 5, b"3"),
    ]


async def test_an_author_may_have_any_name_that_text_can_hold(log: UpdateLog) -> None:
    names = ["ünïcödé 🎈", "a" * USER_ID_BYTES_MAX, "'; DROP TABLE people; --", "%_\\", " "]
    await log.append([append(A, b"x", by=name) for name in names])
    page = await log.read(A, after=Seq(0), limit=10, bytes_max=EVERYTHING)
    assert [row.user_id for row in page.updates] == names


@pytest.mark.parametrize("name", ["", "nul\0", "\ud800", "ü" * (USER_ID_BYTES_MAX // 2 + 1)])
async def test_an_author_that_no_database_can_store_is_refused_before_anything_is_written(
    log: UpdateLog, name: str
) -> None:
    with pytest.raises(ValueError, match="a user id"):
        await log.append([append(A, b"1"), append(B, b"2", by=name)])
    assert await stored(log, A) == await stored(log, B) == []


@pytest.mark.rule("L2")
async def test_what_is_acknowledged_is_seen_through_other_connections(stores: Stores) -> None:
    for number, writer in enumerate(stores.writers * 3, 1):
        await writer.log.append([append(A, b"%d" % number)])
        for observer in stores.observers:
            assert (await observer.log.load(A, create=False)).head == number


@pytest.mark.rule("L3")
async def test_appends_of_one_call_are_stored_all_or_none(log: UpdateLog, store: Store) -> None:
    await purge(store, B)
    with pytest.raises(DocumentNotFound):
        await log.append([append(A, b"1"), append(B, b"2"), append(A, b"3")])
    assert await stored(log, A) == []
    assert await log.append([append(A, b"4")]) == [1]


async def test_a_purged_document_is_gone_for_every_method(log: UpdateLog, store: Store) -> None:
    await purge(store, A)
    with pytest.raises(DocumentNotFound):
        await log.append([append(A, b"1")])
    with pytest.raises(DocumentNotFound):
        await log.read(A, after=Seq(0), limit=1, bytes_max=1)
    with pytest.raises(DocumentNotFound):
        await log.write_checkpoint(A, Checkpoint(Seq(0), b""))
    with pytest.raises(DocumentNotFound):
        await log.load(A, create=False)


async def test_the_bin_takes_what_was_accepted_before_but_opens_no_room(log: UpdateLog, documents: Documents) -> None:
    await documents.delete(A)
    assert await log.append([append(A, b"1")]) == [1]
    await log.write_checkpoint(A, Checkpoint(Seq(1), b"state"))
    assert await stored(log, A) == [b"1"]
    for create in (False, True):
        with pytest.raises(DocumentNotFound):
            await log.load(A, create=create)
    await documents.restore(A)
    loaded = await log.load(A, create=False)
    assert (loaded.checkpoint, loaded.updates, loaded.head) == (Checkpoint(Seq(1), b"state"), [], 1)


async def test_reading_stops_at_the_limit_of_rows(log: UpdateLog) -> None:
    await log.append([append(A, *(b"%d" % number for number in range(1, 8)))])
    page = await log.read(A, after=Seq(2), limit=3, bytes_max=EVERYTHING)
    assert ([row.seq for row in page.updates], page.head) == ([3, 4, 5], 7)


@pytest.mark.parametrize(
    ("bytes_max", "seqs"), [(0, [1]), (9, [1]), (10, [1]), (19, [1]), (20, [1, 2]), (49, [1, 2]), (50, [1, 2, 3])]
)
async def test_reading_stops_before_the_limit_of_bytes_but_not_before_one_row(
    log: UpdateLog, bytes_max: int, seqs: list[int]
) -> None:
    await log.append([append(A, b"x" * 10, b"x" * 10, b"x" * 30)])
    page = await log.read(A, after=Seq(0), limit=10, bytes_max=bytes_max)
    assert ([row.seq for row in page.updates], page.head) == (seqs, 3)


async def test_reading_behind_the_head_gives_an_empty_page(log: UpdateLog) -> None:
    await log.append([append(A, b"1")])
    for after in (1, 2, 2**62):
        page = await log.read(A, after=Seq(after), limit=10, bytes_max=EVERYTHING)
        assert (page.updates, page.head) == ([], 1)


@pytest.mark.parametrize(("after", "limit"), [(0, 0), (0, -1), (-1, 1)])
async def test_reading_refuses_limits_that_make_no_sense(log: UpdateLog, after: int, limit: int) -> None:
    with pytest.raises(ValueError, match="must"):
        await log.read(A, after=Seq(after), limit=limit, bytes_max=1)


async def test_long_runs_are_read_and_loaded_whole(log: UpdateLog) -> None:
    rows = [b"%d" % number for number in range(2 * PAGE_ROWS + 1)]
    await log.append([append(A, *rows)])
    assert await stored(log, A) == rows
    assert payloads((await log.load(A, create=False)).updates) == rows


async def test_large_rows_are_read_and_loaded_whole(log: UpdateLog, rng: random.Random) -> None:
    rows = [rng.randbytes(size) for size in (PAGE_BYTES // 2, 1, PAGE_BYTES // 2, PAGE_BYTES + 1, 2, PAGE_BYTES - 3, 0)]
    await log.append([append(A, *rows)])
    assert await stored(log, A) == rows
    assert payloads((await log.load(A, create=False)).updates) == rows


@pytest.mark.rule("L4")
async def test_a_checkpoint_shortens_loading_and_deletes_nothing(log: UpdateLog) -> None:
    await log.append([append(A, b"1", b"2", b"3")])
    before = await log.load(A, create=False)
    assert (before.checkpoint, payloads(before.updates), before.head) == (None, [b"1", b"2", b"3"], 3)
    await log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    after = await log.load(A, create=False)
    assert (after.checkpoint, payloads(after.updates), after.head) == (Checkpoint(Seq(2), b"state"), [b"3"], 3)
    assert after.epoch == before.epoch
    assert await stored(log, A) == [b"1", b"2", b"3"]


@pytest.mark.rule("L9")
async def test_an_older_checkpoint_does_not_replace_a_newer_one(log: UpdateLog) -> None:
    await log.append([append(A, b"1", b"2", b"3")])
    for through, state, kept in ((2, b"two", b"two"), (1, b"one", b"two"), (3, b"three", b"three")):
        await log.write_checkpoint(A, Checkpoint(Seq(through), state))
        loaded = await log.load(A, create=False)
        assert loaded.checkpoint is not None
        assert loaded.checkpoint.state == kept


@pytest.mark.rule("L9")
async def test_a_checkpoint_cannot_claim_rows_that_are_not_there(log: UpdateLog) -> None:
    await log.append([append(A, b"1")])
    with pytest.raises(ValueError, match="ends at row 1"):
        await log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    assert (await log.load(A, create=False)).checkpoint is None


async def test_a_large_checkpoint_comes_back(log: UpdateLog, rng: random.Random) -> None:
    state = rng.randbytes(3 * PAGE_BYTES)
    await log.write_checkpoint(A, Checkpoint(Seq(0), state))
    assert (await log.load(A, create=False)).checkpoint == Checkpoint(Seq(0), state)


async def test_loading_an_unknown_document_creates_it_only_when_asked(log: UpdateLog, documents: Documents) -> None:
    new = DocumentId("new")
    with pytest.raises(DocumentNotFound):
        await log.load(new, create=False)
    loaded = await log.load(new, create=True)
    assert (loaded.checkpoint, loaded.updates, loaded.head) == (None, [], 0)
    assert await log.load(new, create=True) == await log.load(new, create=False) == loaded
    assert (await documents.get(new)).epoch == loaded.epoch


@pytest.mark.rule("L8")
async def test_documents_created_by_many_at_once_have_one_epoch(stores: Stores) -> None:
    for number in range(5):
        new = DocumentId(f"new-{number}")
        loads = [writer.log.load(new, create=True) for writer in stores.writers for _ in range(8)]
        assert len({loaded.epoch for loaded in await asyncio.gather(*loads)}) == 1


async def test_epochs_differ_from_document_to_document(log: UpdateLog) -> None:
    epochs = {(await log.load(document, create=False)).epoch for document in (A, B)}
    assert len(epochs) == 2
    assert all(len(bytes.fromhex(epoch)) == 16 for epoch in epochs)


@pytest.mark.rule("L1")
@pytest.mark.rule("L5")
async def test_readers_that_poll_get_every_commit_once_and_in_order(stores: Stores, rng: random.Random) -> None:
    names = [DocumentId(f"busy-{number}") for number in range(3)]
    for name in names:
        await stores.writers[0].log.load(name, create=True)
    written: dict[DocumentId, list[bytes]] = defaultdict(list)
    answered: list[tuple[DocumentId, Seq, bytes]] = []
    writing = True

    async def write(task: int, log: UpdateLog) -> None:
        for call in range(20):
            appends = [
                append(
                    rng.choice(names), *(b"%d %d %d %d" % (task, call, part, row) for row in range(rng.randint(1, 3)))
                )
                for part in range(rng.randint(1, 4))
            ]
            for one, seq in zip(appends, await log.append(appends), strict=True):
                written[one.document] += [update.payload for update in one.updates]
                answered.append((one.document, seq, one.updates[-1].payload))

    async def poll(log: UpdateLog, name: DocumentId) -> list[StoredUpdate]:
        seen: list[StoredUpdate] = []
        while True:
            last_round = not writing
            page = await log.read(name, after=Seq(len(seen)), limit=rng.randint(1, 9), bytes_max=rng.randint(1, 200))
            seen += page.updates
            assert page.head >= len(seen)
            if last_round and page.head == len(seen):
                return seen
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as readers:
        polls = {
            (name, observer): readers.create_task(poll(observer.log, name))
            for name in names
            for observer in stores.observers
        }
        async with asyncio.TaskGroup() as writers:
            for task in range(6):
                writers.create_task(write(task, stores.writers[task % len(stores.writers)].log))
        writing = False

    for (name, _), poll_task in polls.items():
        seen = poll_task.result()
        assert [row.seq for row in seen] == list(range(1, len(seen) + 1))
        assert sorted(payloads(seen)) == sorted(written[name])
        for task in range(6):
            # What one writer sent after its previous call was answered comes later in the log, too.
            own = [tuple(map(int, payload.split())) for payload in payloads(seen) if payload.startswith(b"%d " % task)]
            assert own == sorted(own)
        assert all(seen[seq - 1].payload == payload for document, seq, payload in answered if document == name)


async def test_appends_move_the_head_and_the_time_of_the_last_change(
    log: UpdateLog, documents: Documents, clock: WallClock
) -> None:
    clock.now_ms += 1000
    await log.append([append(A, b"1", b"2")])
    info = await documents.get(A)
    assert (info.head, info.updated_at_ms, info.created_at_ms) == (2, START_MS + 1000, START_MS)
