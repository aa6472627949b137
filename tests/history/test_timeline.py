"""The story of a document: who was at it when, how much they wrote, and what happened to it as a whole."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Text

from collab.history import index
from collab.history.historian import Historian
from collab.history.ports import EventKind, NewEvent
from collab.history.timeline import TimelineQuery
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.engine import Database
from storage.schema import upgrade
from tests.e2e.replica import new_doc

MINUTE = 60_000
START = 1_800_000_000_000
PLANS = DocumentId("plans")


class Writing:
    """One text, and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START
        self.doc = new_doc()
        self.text = self.doc.get("text", type=Text)
        self.database: Database

    def clock(self) -> int:
        return self.now_ms

    async def edit(self, user: str | None, added: str = "", removed: int = 0, after: int = 0) -> None:
        self.now_ms += after
        before = self.doc.get_state()
        with self.doc.transaction():
            if removed:
                del self.text[:removed]
            self.text.insert(0, added)
        await self.database.log.append([Append(PLANS, (NewUpdate(user, self.doc.get_update(before)),))])

    async def timeline(self, **query: Any) -> list[dict[str, Any]]:
        return (await self.page(**query))[0]

    async def page(self, **query: Any) -> tuple[list[dict[str, Any]], bool]:
        wanted = TimelineQuery(**{"pause_ms": 5 * MINUTE, "limit": 100} | query)
        historian = Historian(self.database.log, self.database.history)
        _, entries, more = await historian.timeline(PLANS, wanted)
        return [{"user": entry.user_id, **entry.fields} for entry in entries], more

    async def index(self) -> None:
        historian = Historian(self.database.log, self.database.history)
        while chunk := await historian.next_chunk(PLANS):
            assert await self.database.history.add_chunk(PLANS, chunk)


@pytest.fixture
async def writing(tmp_path: Path) -> AsyncIterator[Writing]:
    url = f"sqlite+aiosqlite:///{tmp_path}/timeline.db"
    await upgrade(url)
    writing = Writing()
    async with await Database.open(url, now_ms=writing.clock) as database:
        writing.database = database
        await database.log.load(PLANS, create=True)
        yield writing


@pytest.mark.parametrize("indexed", [False, True], ids=["fresh", "indexed"])
async def test_edits_are_grouped_by_person_and_pause(
    writing: Writing, indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if indexed:
        monkeypatch.setattr(index, "CHUNK_ROWS", 3)
    await writing.edit("ann", "hello")
    await writing.edit("bob", "😀", after=MINUTE)
    await writing.edit("ann", "dear ", after=3 * MINUTE)
    await writing.edit("bob", removed=len("dear 😀".encode()), after=MINUTE)
    await writing.edit("ann", "again", after=5 * MINUTE)
    if indexed:
        await writing.index()
        assert (await writing.database.history.extent(PLANS)).indexed == 3
    session = {"kind": "session"}
    assert await writing.timeline() == [
        {"user": "ann", **session, "from_seq": 5, "to_seq": 5, "updates": 1, "added": 5, "removed": 0},
        # An emoji counts as two, as everywhere in browsers.
        {"user": "bob", **session, "from_seq": 2, "to_seq": 4, "updates": 2, "added": 2, "removed": 7},
        {"user": "ann", **session, "from_seq": 1, "to_seq": 3, "updates": 2, "added": 10, "removed": 0},
    ]


async def test_what_an_edit_repeats_is_counted_once(writing: Writing) -> None:
    await writing.edit("ann", "hello")
    whole = writing.doc.get_update()
    await writing.database.log.append([Append(PLANS, (NewUpdate("bob", whole),))])
    (bob, ann) = await writing.timeline()
    assert (ann["added"], bob["added"]) == (5, 0)


async def test_versions_and_events_stand_where_they_belong(writing: Writing) -> None:
    await writing.edit("ann", "hello")
    history = writing.database.history
    await writing.edit("bob", "more ")
    version = await history.add_version(PLANS, seq=Seq(1), name="First draft", user_id="bob")
    await history.add_event(PLANS, NewEvent(EventKind.EXPORT, "cem", Seq(2), "docx"))
    pending = NewEvent(EventKind.RESTORE, "cem", Seq(1), client=5)
    done = await history.add_event(PLANS, pending)
    await history.add_event(PLANS, pending)
    await writing.edit("cem", "x")
    await history.finish_restore(PLANS, done, Seq(3))
    story = [(entry["kind"], entry["user"], entry.get("seq")) for entry in await writing.timeline()]
    assert story == [
        ("restore", "cem", 1),
        ("session", "cem", None),
        ("export", "cem", 2),
        ("session", "bob", None),
        ("version", "bob", 1),
        ("session", "ann", None),
    ]
    assert version.name == "First draft"


async def test_a_restore_whose_end_nobody_noted_is_found_by_its_client(writing: Writing) -> None:
    await writing.edit("ann", "hello")
    event = NewEvent(EventKind.RESTORE, "cem", Seq(1), client=writing.doc.client_id)
    await writing.database.history.add_event(PLANS, event)
    restore, _ = await writing.timeline()
    assert (restore["kind"], restore["row"]) == ("restore", 1)


async def test_it_is_read_in_pages_and_filtered_by_person_and_time(writing: Writing) -> None:
    for user in ("ann", "bob", None, "ann"):
        await writing.edit(user, "x", after=10 * MINUTE)
    first, more = await writing.page(limit=3)
    assert ([entry["from_seq"] for entry in first], more) == ([4, 3, 2], True)
    rest, more = await writing.page(limit=3, skip=3)
    assert ([entry["from_seq"] for entry in rest], more) == ([1], False)
    assert [entry["from_seq"] for entry in await writing.timeline(user_id="ann", anybody=False)] == [4, 1]
    assert [entry["from_seq"] for entry in await writing.timeline(user_id=None, anybody=False)] == [3]
    window = {"from_ms": START + 15 * MINUTE, "to_ms": START + 35 * MINUTE}
    assert [entry["from_seq"] for entry in await writing.timeline(**window)] == [3, 2]
    assert [entry["from_seq"] for entry in await writing.timeline(through=Seq(2))] == [2, 1]
