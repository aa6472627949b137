"""The contract of `collab.history.ports.HistoryStore`, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import update

from collab.errors import CorruptUpdate, DocumentNotFound, HistoryNotFound
from collab.history.index import pack_state
from collab.history.ports import (
    Binding,
    Chunk,
    Event,
    EventKind,
    HistoryCheckpoint,
    NewEvent,
    Span,
    Version,
)
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.accounts import NewAccount
from storage.audit_log import Actor
from storage.engine import Database
from storage.history import VERSION_NAME_CHARACTERS_MAX, SqlHistory
from storage.tables import history_checkpoints
from tests.contract.conftest import START_MS, Store, empty_database

PLANS = DocumentId("plans")
OTHER = DocumentId("other")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Not in memory: history is read from a database."""
    return empty_database(request, tmp_path)


@pytest.fixture
async def history(store: Store) -> SqlHistory:
    assert isinstance(store, Database)
    for document in (PLANS, OTHER):
        await store.log.load(document, create=True)
    await store.log.append([Append(PLANS, tuple(NewUpdate("ann", bytes((number,))) for number in range(1, 9)))])
    return store.history


def span(first: int, last: int, user_id: str | None = "ann") -> Span:
    return Span(user_id, Seq(first), Seq(last), 10 * first, 10 * last, last - first + 1, 2**33, 3)


def chunk(after: int, through: int, *, client: int = 2**53 - 1) -> Chunk:
    checkpoint = HistoryCheckpoint(Seq(through), pack_state(b"state %d" % through))
    spans = (span(after + 1, through),)
    return Chunk(Seq(after), checkpoint, spans, (Binding(client, "ann", Seq(after + 1)),))


async def test_an_index_grows_at_its_end_only(history: SqlHistory) -> None:
    assert (await history.extent(PLANS))[1:] == (8, 0)
    assert await history.add_chunk(PLANS, chunk(0, 3))
    assert await history.add_chunk(PLANS, chunk(3, 5, client=0))
    for other in (chunk(0, 3), chunk(4, 6), chunk(5, 9)):
        assert not await history.add_chunk(PLANS, other)
    assert (await history.extent(PLANS))[1:] == (8, 5)
    assert await history.spans(PLANS) == [span(1, 3), span(4, 5)]
    assert sorted(await history.bindings(PLANS)) == [Binding(0, "ann", Seq(4)), Binding(2**53 - 1, "ann", Seq(1))]
    assert await history.spans(OTHER) == []
    assert await history.bindings(OTHER) == []


async def test_a_past_state_is_made_from_the_newest_checkpoint_before_it(history: SqlHistory) -> None:
    await history.add_chunk(PLANS, chunk(0, 3))
    await history.add_chunk(PLANS, chunk(3, 5, client=0))
    found = [await history.checkpoint(PLANS, Seq(at)) for at in (2, 3, 4, 5, 8)]
    assert [it and it.through for it in found] == [None, 3, 3, 5, 5]
    assert await history.checkpoint(OTHER, Seq(8)) is None


@pytest.mark.rule("L7")
async def test_a_damaged_checkpoint_is_not_handed_out(history: SqlHistory, store: Store) -> None:
    await history.add_chunk(PLANS, chunk(0, 3))
    assert isinstance(store, Database)
    await store._transactions.write(
        lambda connection: connection.execute(update(history_checkpoints).values(packed=b"something else"))
    )
    with pytest.raises(CorruptUpdate, match="through row 3"):
        await history.checkpoint(PLANS, Seq(3))


async def test_spans_of_somebody_without_an_account_have_no_name(history: SqlHistory) -> None:
    anonymous = chunk(0, 3)
    await history.add_chunk(
        PLANS, Chunk(Seq(0), anonymous.checkpoint, (span(1, 3, None),), (Binding(7, None, Seq(1)),))
    )
    assert [it.user_id for it in await history.spans(PLANS)] == [None]
    assert await history.bindings(PLANS) == [Binding(7, None, Seq(1))]


async def test_events_are_kept_in_order_and_a_restore_learns_its_row(history: SqlHistory) -> None:
    exported = await history.add_event(PLANS, NewEvent(EventKind.EXPORT, None, Seq(8), "docx"))
    restored = await history.add_event(
        PLANS, NewEvent(EventKind.RESTORE, "bob", Seq(3), client=2**32, copies=b"\x01\x02\x03\x04")
    )
    await history.finish_restore(PLANS, restored, Seq(9))
    assert await history.events(PLANS) == [
        Event(exported, EventKind.EXPORT, None, START_MS, Seq(8), "docx", None, None),
        Event(restored, EventKind.RESTORE, "bob", START_MS, Seq(3), "", Seq(9), 2**32),
    ]
    assert await history.copies(PLANS) == [(2**32, b"\x01\x02\x03\x04")]
    assert await history.copies(OTHER) == []


async def test_versions_are_named_renamed_and_removed(history: SqlHistory) -> None:
    late = await history.add_version(PLANS, seq=Seq(8), name="Final", user_id="ann")
    early = await history.add_version(PLANS, seq=Seq(2), name="Entwurf 😀", user_id=None)
    assert late == Version(late.id, Seq(8), "Final", "ann", START_MS)
    assert await history.versions(PLANS) == [early, late]
    renamed = await history.rename_version(PLANS, late.id, "Final, really")
    assert (renamed.id, renamed.name, renamed.user_id) == (late.id, "Final, really", "ann")
    await history.remove_version(PLANS, early.id)
    assert await history.versions(PLANS) == [renamed]
    for missing in (history.rename_version(PLANS, early.id, "x"), history.remove_version(PLANS, early.id)):
        with pytest.raises(HistoryNotFound):
            await missing
    with pytest.raises(HistoryNotFound):
        await history.remove_version(OTHER, late.id)


@pytest.mark.parametrize("name", ["", "x" * (VERSION_NAME_CHARACTERS_MAX + 1), "a\nb", "\ud800"])
async def test_a_version_has_a_name_that_can_be_shown(history: SqlHistory, name: str) -> None:
    with pytest.raises(ValueError, match="a version's name"):
        await history.add_version(PLANS, seq=Seq(1), name=name, user_id=None)


async def test_only_a_state_that_there_is_can_be_named(history: SqlHistory) -> None:
    with pytest.raises(HistoryNotFound, match="from seq 0 to seq 8"):
        await history.add_version(PLANS, seq=Seq(9), name="tomorrow", user_id=None)


async def test_documents_that_are_behind_are_found(history: SqlHistory) -> None:
    assert await history.behind(8) == [PLANS]
    await history.add_chunk(PLANS, chunk(0, 3))
    assert await history.behind(6) == []
    assert await history.behind(5) == [PLANS]


async def test_people_with_an_account_have_names_and_the_others_are_left_out(history: SqlHistory, store: Store) -> None:
    assert isinstance(store, Database)
    ada = await store.accounts.create(NewAccount("Ada"), Actor())
    assert await history.names({ada.id, "somebody-by-jwt"}) == {ada.id: "Ada"}
    assert await history.names(set()) == {}


async def test_there_is_no_history_of_a_document_that_does_not_exist(history: SqlHistory) -> None:
    missing = DocumentId("missing")
    for question in (
        history.extent(missing),
        history.checkpoint(missing, Seq(0)),
        history.add_chunk(missing, chunk(0, 3)),
        history.spans(missing),
        history.versions(missing),
        history.add_event(missing, NewEvent(EventKind.IMPORT, None, Seq(0))),
    ):
        with pytest.raises(DocumentNotFound):
            await question
