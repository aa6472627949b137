"""The past is thinned out: what stays is as it was, what went is gone from the file, and nobody notices."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text
from sqlalchemy import delete, update

from collab.errors import CorruptUpdate, HistoryGone
from collab.history import index
from collab.history.historian import Historian
from collab.history.thinning import Keep, Thinning
from collab.history.timeline import TimelineQuery
from collab.ports import Append, Checkpoint, NewUpdate
from collab.scanner import STATE_LIMITS, scan_update
from collab.types import DocumentId, Seq
from storage import backup
from storage.audit_log import Actor, Filter
from storage.engine import Database
from storage.schema import upgrade
from storage.tables import updates
from tests.history.conftest import Scale, report
from tests.history.sessions import Generator, Kept, Session, user_id
from tests.history.test_blame import written
from tests.postgres import fresh_database

pytestmark = [pytest.mark.xdist_group("history"), pytest.mark.timeout(3600)]

DAY_MS = 24 * 60 * 60 * 1000
SECRET = "nobody must ever read this sentence again"


class Days:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY_MS + 5_000

    def __call__(self) -> int:
        return self.now

    def pass_days(self, days: float = 1) -> None:
        self.now += int(days * DAY_MS)


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgresql":
        with fresh_database() as found:
            yield found
    else:
        yield f"sqlite+aiosqlite:///{tmp_path}/history.db"


@pytest.fixture
async def database(url: str, days: Days) -> AsyncIterator[Database]:
    await upgrade(url)
    async with await Database.open(url, now_ms=days) as opened:
        yield opened


async def thin(database: Database, document: DocumentId, before_ms: int, keep: Keep) -> Thinning:
    thinning = await Historian(database.log, database.history).thinning(document, before_ms, keep)
    assert thinning is not None
    assert await database.retention.thin(document, thinning, Actor())
    return thinning


async def payloads(database: Database, document: DocumentId) -> list[bytes]:
    page = await database.log.read(document, after=Seq(0), limit=100_000, bytes_max=2**30)
    return [row.payload for row in page.updates]


@pytest.mark.rule("T1")
@pytest.mark.rule("T3")
@pytest.mark.rule("T4")
async def test_what_stays_is_as_it_was_and_everybody_converges(
    generator: Generator,
    database: Database,
    days: Days,
    rng: random.Random,
    scale: Scale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Published Yjs, people who are offline meanwhile, restores; thinned out to days, then wholly."""
    monkeypatch.setattr(index, "CHUNK_ROWS", 40)
    for number in range(max(2, scale.past_sessions // 4)):
        people = rng.randint(2, 4)
        session = Session(generator, f"thin-{number}", seed=rng.getrandbits(32), people=people)
        kept = Kept(database, DocumentId(f"thin/{number}"))
        ends: list[Seq] = []
        for day in range(5):
            ends.append(await kept.take(session.step(rng.randint(10, 40))))
            while ends[-1] < 2:  # Everybody may be offline.
                ends[-1] = await kept.take(session.step(10))
            if day == 2:
                past = Seq(rng.randint(1, ends[0]))
                restoration = await kept.historian.restoration(kept.document, past)
                await kept.note(restoration, past, 0)
                session.append(0, restoration.update)
                ends[-1] = await kept.take([(user_id(0), restoration.update)])
            if rng.random() < 0.5:
                await kept.index()
            days.pass_days()
        head, before_ms = ends[-1], days.now - 2 * DAY_MS
        states = session.states([*ends, head])
        blamed = {seq: await kept.historian.blame(kept.document, seq) for seq in (*ends, head)}
        name = await database.history.add_version(kept.document, seq=Seq(ends[0] - 1), name="v", user_id=None)

        for keep, stay in ((Keep.DAILY, ends), (Keep.NONE, ends[2:])):
            thinning = await thin(database, kept.document, before_ms, keep)
            assert thinning.through == ends[2]
            for historian in (kept.historian, Historian(database.log, database.history)):
                for seq in stay:
                    content = await historian.content(kept.document, seq)
                    assert generator.replay([content]) == states[seq], f"document {number}, {keep}, seq {seq}"
                    found = await historian.blame(kept.document, seq)
                    for which in (found, blamed[seq]):
                        which["tally"] = written(which["roots"], which["authors"])
                    assert found["tally"] == blamed[seq]["tally"], f"document {number}, {keep}, seq {seq}"
            gone = {*range(1, ends[2])} - {*ends, *([name.seq] if keep is Keep.DAILY else [])}
            for seq in [*gone, *(ends[:2] if keep is Keep.NONE else [])]:
                with pytest.raises(HistoryGone, match="thinned out"):
                    await kept.historian.content(kept.document, Seq(seq))
            named = [version.seq for version in await database.history.versions(kept.document)]
            assert named == ([name.seq] if keep is Keep.DAILY else [])
            await kept.index()
            assert generator.replay(await payloads(database, kept.document)) == states[head]
            back = await kept.historian.restoration(kept.document, stay[0])
            assert generator.replay([*(update for _, update in session.rows), back.update]) == states[stay[0]]

        # Whoever was offline all the time comes back with what they had and wrote.
        await kept.take(session.step(10))
        await kept.take(session.settle())
        replicas = session.replicas()
        assert all(replica == replicas[0] for replica in replicas)
        assert generator.replay(await payloads(database, kept.document)) == replicas[0]["content"]
        loaded = await database.log.load(kept.document, create=False)
        assert loaded.head == await kept.take([])
        assert scan_update(loaded.updates[0].payload, STATE_LIMITS)
        session.close()
    report("thinned documents equal what they were; everybody converges")


class Writer:
    """One client that writes into the root text."""

    def __init__(self, database: Database, document: str) -> None:
        self.database = database
        self.document = DocumentId(document)
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get("text", type=Text)

    async def edit(self, insert: str = "", *, cut: int = 0, by: str | None = "ann") -> Seq:
        before = self.doc.get_state()
        with self.doc.transaction():
            if cut:
                del self.text[0:cut]
            self.text.insert(0, insert)
        await self.database.log.load(self.document, create=True)
        (seq,) = await self.database.log.append([Append(self.document, (NewUpdate(by, self.doc.get_update(before)),))])
        return seq


def raw(directory: Path) -> bytes:
    files = [path for path in directory.iterdir() if path.name.startswith("history.db")]
    assert len(files) >= 2
    return b"".join(path.read_bytes() for path in files)


@pytest.mark.rule("T2")
@pytest.mark.rule("X4")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("keep", Keep)
async def test_what_was_deleted_is_gone_from_the_database_files(
    database: Database, days: Days, tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "CHUNK_ROWS", 3)
    # Debian's SQLite overwrites what it deletes; others leave it where it was.
    backend: Any = database._transactions._backend
    await backend._writer._call(lambda: backend._writer._pragma("secure_delete=OFF"))
    writer = Writer(database, "plans")
    await writer.edit("a beginning ")
    secret = await writer.edit(SECRET)
    await database.log.write_checkpoint(writer.document, Checkpoint(secret, writer.doc.get_update()))
    await writer.edit("x")
    historian = Historian(database.log, database.history)
    chunk = await historian.next_chunk(writer.document)
    assert chunk is not None
    await database.history.add_chunk(writer.document, chunk)
    packed = chunk.checkpoint.packed[8:60]
    await writer.edit(cut=1 + len(SECRET))
    days.pass_days()
    last = await writer.edit("an end, ")
    assert SECRET.encode() in raw(tmp_path)
    assert packed in raw(tmp_path)

    await thin(database, writer.document, days.now, keep)
    await database.wipe()
    assert SECRET.encode() not in raw(tmp_path)
    assert packed not in raw(tmp_path)
    while (chunk := await historian.next_chunk(writer.document)) is not None:
        assert await database.history.add_chunk(writer.document, chunk)
    await database.wipe()
    assert b"an end, " in raw(tmp_path)
    assert SECRET.encode() not in raw(tmp_path)
    blame = await historian.blame(writer.document, last)
    assert blame["authors"] == [{"user": "ann", "client": None}]


@pytest.mark.rule("T2")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_what_stood_at_the_end_of_a_day_stays_with_that_day(
    database: Database, days: Days, tmp_path: Path
) -> None:
    writer = Writer(database, "plans")
    seq = await writer.edit(SECRET)
    days.pass_days()
    await writer.edit(cut=len(SECRET))
    days.pass_days()
    await writer.edit("new")
    await thin(database, writer.document, days.now, Keep.DAILY)
    await database.wipe()
    content: Doc[Any] = Doc()
    content.apply_update(await Historian(database.log, database.history).content(writer.document, seq))
    assert str(content.get("text", type=Text)) == SECRET
    await thin(database, writer.document, days.now, Keep.NONE)
    await database.wipe()
    assert SECRET.encode() not in raw(tmp_path)


async def test_thinning_goes_on_where_it_ended_and_does_nothing_twice(database: Database, days: Days) -> None:
    writer = Writer(database, "plans")
    historian = Historian(database.log, database.history)
    for _ in range(4):
        await writer.edit("a")
        await writer.edit("b", by="bob")
        days.pass_days()
    for before_ms, through in ((days.now - 3 * DAY_MS, 2), (days.now - DAY_MS, 6)):
        thinning = await thin(database, writer.document, before_ms, Keep.DAILY)
        assert thinning.through == through
        assert await historian.thinning(writer.document, before_ms, Keep.DAILY) is None
    assert await historian.thinning(writer.document, 0, Keep.NONE) is None
    assert [*await database.history.kept(writer.document)] == [2, 4, 6]
    assert await database.retention.due(days.now - DAY_MS) == []
    assert await database.retention.due(days.now) == ["plans"]
    _, entries, _ = await historian.timeline(writer.document, TimelineQuery(pause_ms=60_000, limit=50))
    sessions = [(it.user_id, it.fields["from_seq"], it.fields["to_seq"], it.fields["added"]) for it in entries]
    assert sessions == [("bob", 8, 8, 1), ("ann", 7, 7, 1)] + [
        (user, last - 1, last, 1) for last in (6, 4, 2) for user in ("bob", "ann")
    ]
    assert [entry.fields.get("thinned") for entry in entries] == [None] * 2 + [True] * 6
    actions = [entry async for entry in database.audit.export(Filter())]
    assert [(entry.action, entry.details["to"]) for entry in actions] == [("history-pruned", "daily")] * 2


@pytest.mark.rule("X2")
async def test_what_was_made_before_somebody_else_thinned_out_is_not_taken(database: Database, days: Days) -> None:
    writer = Writer(database, "plans")
    for _ in range(3):
        await writer.edit("a")
    days.pass_days()
    historian = Historian(database.log, database.history)
    stale = await historian.thinning(writer.document, days.now, Keep.DAILY)
    assert stale is not None
    await thin(database, writer.document, days.now, Keep.NONE)
    assert not await database.retention.thin(writer.document, stale, Actor())
    await database.log.write_checkpoint(writer.document, Checkpoint(Seq(2), b"\x00\x00"))
    assert (await database.log.load(writer.document, create=False)).checkpoint is None


@pytest.mark.rule("L7")
async def test_a_thinned_row_that_is_missing_or_damaged_is_noticed(database: Database, days: Days, url: str) -> None:
    writer = Writer(database, "plans")
    for _ in range(3):
        await writer.edit("a")
        days.pass_days()
    await thin(database, writer.document, days.now, Keep.DAILY)
    summary = await backup.audit(url)
    assert summary.damages == []

    async def lose(statement: Any) -> None:
        await database._transactions.write(lambda connection: connection.execute(statement) and None)

    await lose(update(updates).where(updates.c.seq == 3).values(at_ms=1))
    with pytest.raises(CorruptUpdate, match="row 3"):
        await database.log.load(writer.document, create=False)
    await lose(delete(updates).where(updates.c.seq == 1))
    with pytest.raises(CorruptUpdate, match="row 2"):
        await database.log.load(writer.document, create=False)
    assert len((await backup.audit(url)).damages) >= 2
