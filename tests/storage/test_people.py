"""Authors are interned: once each, whoever comes first."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, func, select

import storage.people
from storage.engine import Database
from storage.people import People
from storage.tables import people
from tests.storage.edits import A, append


@pytest.fixture
async def nodes(database: Database, url: str) -> AsyncIterator[list[Database]]:
    if url.startswith("sqlite"):
        yield [database]
        return
    async with await Database.open(url) as other:
        yield [database, other]


def count(connection: Connection) -> int | None:
    return connection.scalar(select(func.count()).select_from(people))


async def test_many_who_meet_the_same_people_at_once_give_them_the_same_keys(nodes: list[Database]) -> None:
    names = {f"person {number}" for number in range(20)}
    interning = (People(node._transactions).intern(names) for node in nodes for _ in range(5))
    answers = await asyncio.gather(*interning)
    assert answers[0].keys() == names
    assert all(answer == answers[0] for answer in answers)
    assert await nodes[0]._transactions.read(count) == 20


async def test_known_people_cost_no_transaction(database: Database) -> None:
    known = People(database._transactions)
    keys = await known.intern({"ada", "bob"})
    await database.close()
    assert await known.intern({"bob"}) == {"bob": keys["bob"]}
    assert await known.intern(set()) == {}


async def test_forgetting_people_loses_none(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.people, "CACHE_ENTRIES_MAX", 3)
    known = People(database._transactions)
    first = await known.intern({"a", "b", "c"})
    second = await known.intern({"a", "c", "d", "e"})
    assert second.keys() == {"a", "c", "d", "e"}
    assert (second["a"], second["c"]) == (first["a"], first["c"])
    assert await known.intern({"b"}) == {"b": first["b"]}


async def test_a_rolled_back_append_leaves_no_half_known_author(database: Database) -> None:
    await database.log.load(A, create=True)
    with pytest.raises(ValueError, match="a user id"):
        await database.log.append([append(A, b"1", by="ada"), append(A, b"2", by="nul\0")])
    assert await database.log.append([append(A, b"3", by="ada")]) == [1]
