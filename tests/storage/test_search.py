"""What searches find in what documents say, and who has starred what, on both databases."""

import pytest

from collab.errors import DocumentNotFound
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Role, Seq, parse_document_id
from storage.accounts import NewAccount
from storage.audit_log import Actor
from storage.documents import Choice, Place
from storage.engine import Database
from storage.search import index_of
from storage.words import beginnings_of, excerpt, words_of

A, B = parse_document_id("a"), parse_document_id("b")


async def say(database: Database, document: DocumentId, text: str) -> None:
    """Let a document say something, as of one more row."""
    await database.log.load(document, create=True)
    (seq,) = await database.log.append([Append(document, (NewUpdate(None, b"\0\0"),))])
    await database.search.keep(document, seq, *index_of(text))


async def found(database: Database, query: str) -> list[str]:
    return [info.id for info in await database.documents.list(limit=10, query=query)]


@pytest.mark.rule("Y2")
async def test_documents_are_found_by_the_beginnings_of_all_words(database: Database) -> None:
    await say(database, A, "The Quick brown Fox, naïve and 東京都の猫.")
    await say(database, B, "A quick note about straße 42%_x")
    for query, names in {
        "QUICK": ["a", "b"],
        "quick fox": ["a"],
        "fox quick bro": ["a"],
        "uick": [],
        "quick dog": [],
        "NAÏVE": ["a"],
        "STRASSE": ["b"],
        "東京": ["a"],
        "京都": ["a"],
        "猫": ["a"],
        "東猫": [],
        "%": [],
        "42%": ["b"],
        "_": [],
    }.items():
        assert await found(database, query) == names, query


@pytest.mark.rule("Y1")
async def test_what_was_kept_makes_way_for_what_is_newer_and_never_for_older(database: Database) -> None:
    await say(database, A, "first words")
    await say(database, A, "second words")
    await database.search.keep(A, Seq(1), *index_of("too late"))
    await database.search.keep(A, Seq(9), *index_of("of a document that was purged"))
    assert await found(database, "first") == []
    assert await found(database, "late") == []
    assert await found(database, "purged") == []
    assert await found(database, "second words") == ["a"]
    await database.search.keep(B, Seq(1), *index_of("never there"))


async def test_what_is_not_kept_yet_is_known(database: Database) -> None:
    await say(database, A, "kept")
    await database.documents.create(B, "empty, and so nothing is missing")
    assert await database.search.behind(10) == []
    await database.log.append([Append(A, (NewUpdate(None, b"\0\0"),))])
    assert await database.search.behind(10) == [A]
    await database.quarantine.admit(A, "damaged", None)
    assert await database.search.behind(10) == []


async def test_an_excerpt_shows_where_it_stands(database: Database) -> None:
    await say(database, A, f"{'before ' * 100}the Needle in it {'after ' * 100}")
    await say(database, B, "nothing of that kind")
    pieces = await database.search.excerpts([A, B], "needle")
    assert pieces.keys() == {A}
    assert "the Needle in it" in pieces[A]
    assert pieces[A].startswith("…before")
    assert len(pieces[A]) < 200


async def test_a_purged_document_leaves_no_word_behind(database: Database) -> None:
    await say(database, A, "secret words")
    await database.stars.give(A, "u-ann")
    await database.documents.delete(A)
    await database.retention.purge(A, Actor())
    await database.documents.create(A, "")
    assert await found(database, "secret") == []
    assert await database.search.excerpts([A], "secret") == {}
    assert await database.stars.among([A], "u-ann") == set()


async def test_stars_are_of_one_person(database: Database) -> None:
    for document in (A, B):
        await database.documents.create(document, "")
    for _ in range(2):
        await database.stars.give(A, "u-ann")
    await database.stars.give(B, "u-ben")
    assert set(await database.stars.among([A, B], "u-ann")) == {A}
    starred = await database.documents.choose(Choice(starred_by="u-ann"), limit=10)
    assert [info.id for info in starred] == ["a"]
    for _ in range(2):
        await database.stars.take(A, "u-ann")
    assert await database.stars.among([A, B], "u-ann") == set()
    assert set(await database.stars.among([A, B], "u-ben")) == {B}
    with pytest.raises(DocumentNotFound):
        await database.stars.give(parse_document_id("no-such"), "u-ann")


async def test_whoever_is_gone_has_no_stars(database: Database) -> None:
    ann = await database.accounts.create(NewAccount("Ann"), Actor())
    await database.sharing.create_document(A, "", ann, Actor())
    await database.stars.give(A, ann.id)
    await database.accounts.delete(ann.id, Actor())
    assert await database.stars.among([A], ann.id) == set()


async def test_lists_can_begin_with_what_changed_last(database: Database) -> None:
    ann = await database.accounts.create(NewAccount("Ann"), Actor())
    names = [parse_document_id(name) for name in ("c", "a", "d", "b")]
    for name in names:
        await database.sharing.create_document(name, "", ann, Actor())
    await database.documents.rename(names[0], "changed")
    choice, seen = Choice(newest_first=True), []
    while page := await database.sharing.page(ann, everything=False, choice=choice, limit=1):
        seen.append(page[0].info)
        choice = Choice(newest_first=True, before=Place(page[0].info.updated_at_ms, page[0].info.id))
    assert sorted(info.id for info in seen) == ["a", "b", "c", "d"]
    assert [info.updated_at_ms for info in seen] == sorted((info.updated_at_ms for info in seen), reverse=True)
    assert page == []
    assert (await database.sharing.page(ann, everything=False, choice=Choice(), limit=1))[0].role == Role.OWNER


def test_words_and_their_beginnings() -> None:
    assert words_of("Don't re-read, don't!") == {"don", "t", "re", "read"}
    assert words_of("猫カフェ") == {"猫カ", "カフ", "フェ", "ェ"}
    assert beginnings_of("猫カフェ now") == ["猫カ", "カフ", "フェ", "now"]
    assert words_of("x" * 100) == {"x" * 32}
    assert beginnings_of("x" * 100) == ["x" * 32]
    assert excerpt("ΑΣ ΟΔΟΣ", "οδος", 100) == "ΑΣ ΟΔΟΣ"
    assert excerpt("nothing here", "elsewhere", 100) is None
