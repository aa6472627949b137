"""The rules of collab.committer, on a log that the test lets go, hold back or fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from pycrdt import Doc, Text

from collab.committer import Batch, Committer, MergedState
from collab.errors import CollabError, DocumentNotFound, StoreError, StoreUnavailable
from collab.limits import RoomLimits
from collab.ports import Append, Checkpoint, LoadedDocument, NewUpdate, UpdatePage
from collab.stats import Stats
from collab.types import DocumentId, Seq, parse_document_id


def updates_of(words: Sequence[str]) -> list[bytes]:
    """One update for each word, typed after each other."""
    doc = Doc[Text]()
    text = doc.get("text", type=Text)
    updates = []
    for word in words:
        before = doc.get_state()
        text += word
        updates.append(doc.get_update(before))
    return updates


class GatedLog:
    """An UpdateLog whose commits happen when `gate` is open, and fail while `failures` lasts."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.failures: list[CollabError] = []
        self.missing: set[DocumentId] = set()
        self.rows: dict[DocumentId, list[NewUpdate]] = {}
        self.calls = 0

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if any(append.document in self.missing for append in appends):
            raise DocumentNotFound("gone")
        seqs = []
        for append in appends:
            self.rows.setdefault(append.document, []).extend(append.updates)
            seqs.append(Seq(len(self.rows[append.document])))
        return seqs

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        raise NotImplementedError

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        raise NotImplementedError

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        raise NotImplementedError


class Owner:
    """A room's side: remembers what it was told."""

    def __init__(self, name: str = "one") -> None:
        self.document = parse_document_id(name)
        self.told: list[tuple[int, Seq, int]] = []
        self.errors: list[CollabError] = []

    def committed(self, batches: list[Batch], last_seq: Seq, rows: int) -> None:
        self.told.append((len(batches), last_seq, rows))

    def lost(self, error: CollabError) -> None:
        self.errors.append(error)


@asynccontextmanager
async def running(log: GatedLog) -> AsyncIterator[Committer]:
    committer = Committer(log, RoomLimits(commit_window_seconds=0), Stats())
    task = asyncio.create_task(committer.run())
    try:
        yield committer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def batch(*updates: tuple[str | None, bytes]) -> Batch:
    return Batch([NewUpdate(user_id, payload) for user_id, payload in updates])


@pytest.mark.rule("C1")
@pytest.mark.rule("C2")
async def test_what_arrives_during_a_commit_goes_into_the_next_one_in_order() -> None:
    log, owner = GatedLog(), Owner()
    first, *rest = updates_of(["a", "b", "c", "d"])
    async with running(log) as committer:
        log.gate.clear()
        committer.submit(owner, batch(("anna", first)))
        await log.entered.wait()
        for user, update in zip(["ben", "anna", "ben"], rest, strict=True):
            committer.submit(owner, batch((user, update)))
        assert owner.told == []
        log.gate.set()
        await committer.drained()
    assert owner.told == [(1, 1, 1), (3, 4, 3)]
    assert [row.payload for row in log.rows[owner.document]] == [first, *rest]


async def test_more_goes_together_while_commits_follow_each_other_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of what a commit costs does not depend on how much is in it; a busy room once paid for a hundred a second
    although three edits were in each."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("collab.committer.asyncio.sleep", noted)
    log, owner = GatedLog(), Owner()
    committer = Committer(log, RoomLimits(commit_window_seconds=60), Stats())
    task = asyncio.create_task(committer.run())
    for update in updates_of(["a", "b", "c"]):
        committer.submit(owner, batch(("anna", update)))
        await committer.drained()
    task.cancel()
    assert waits == [60, 180, 180]


@pytest.mark.rule("C3")
async def test_neighbouring_rows_of_one_person_become_one_that_replays_to_the_same() -> None:
    log, owner = GatedLog(), Owner()
    words = ["one ", "two ", "three ", "four"]
    async with running(log) as committer:
        for user, update in zip(["anna", "anna", "ben", "anna"], updates_of(words), strict=True):
            committer.submit(owner, batch((user, update)))
        await committer.drained()
    rows = log.rows[owner.document]
    assert [row.user_id for row in rows] == ["anna", "ben", "anna"]
    doc = Doc[Text]()
    for row in rows:
        doc.apply_update(row.payload)
    assert str(doc.get("text", type=Text)) == "".join(words)


@pytest.mark.rule("C4")
async def test_a_log_that_comes_back_gets_everything_once_and_in_order() -> None:
    log, owner = GatedLog(), Owner()
    log.failures = [StoreUnavailable("away"), StoreUnavailable("away")]
    first, second = updates_of(["a", "b"])
    async with running(log) as committer:
        log.gate.clear()
        committer.submit(owner, batch((None, first)))
        await log.entered.wait()
        committer.submit(owner, batch((None, second)))
        log.gate.set()
        await committer.drained()
        assert committer.trouble is None
    assert log.calls == 4
    assert [row.payload for row in log.rows[owner.document]] == [first, second]
    assert owner.told == [(1, 1, 1), (1, 2, 1)]


@pytest.mark.rule("C2")
async def test_a_purged_document_keeps_no_other_from_being_saved() -> None:
    log, gone, here = GatedLog(), Owner("gone"), Owner("here")
    log.missing.add(gone.document)
    (update,) = updates_of(["x"])
    async with running(log) as committer:
        committer.submit(gone, batch((None, update)))
        committer.submit(here, batch((None, update)))
        await committer.drained()
    assert gone.told == []
    assert isinstance(gone.errors[0], DocumentNotFound)
    assert here.told == [(1, 1, 1)]


async def test_a_broken_log_ends_the_task_and_tells_nobody_that_it_saved() -> None:
    log, owner = GatedLog(), Owner()
    log.failures = [StoreError("fsync failed")]
    committer = Committer(log, RoomLimits(commit_window_seconds=0), Stats())
    task = asyncio.create_task(committer.run())
    committer.submit(owner, batch((None, updates_of(["x"])[0])))
    with pytest.raises(StoreError, match="fsync"):
        await task
    assert owner.told == []


async def test_a_row_ends_where_a_checkpoint_was_taken() -> None:
    """Otherwise a busy room never has a checkpoint that matches a row, and takes long to load."""
    log, owner = GatedLog(), Owner()
    first, second, third = updates_of(["a", "b", "c"])
    async with running(log) as committer:
        committer.submit(owner, batch((None, first)))
        middle = batch((None, second))
        middle.checkpoint = MergedState(b"", b"")
        committer.submit(owner, middle)
        committer.submit(owner, batch((None, third)))
        await committer.drained()
    assert owner.told == [(2, 1, 1), (1, 2, 1)]
