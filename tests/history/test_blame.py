"""Who wrote what: every character's author is who typed it, whoever sent it and whatever became of it since."""

import random
from collections import Counter
from typing import Any

import pytest

from collab.history import index
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import new_doc
from tests.history.conftest import Scale, report
from tests.history.sessions import Generator, Kept, Session, user_id, writer_of

pytestmark = [pytest.mark.xdist_group("history"), pytest.mark.timeout(3600)]


def written(node: Any, authors: list[dict[str, Any]], author: str | None = None) -> Counter[tuple[str, str | None]]:
    """Every character of a blamed document with the author it is said to have."""
    found: Counter[tuple[str, str | None]] = Counter()
    if isinstance(node, str):
        found.update((character, author) for character in node if writer_of(character) is not None)
    elif isinstance(node, list):
        for item in node:
            found += written(item, authors, author)
    elif isinstance(node, dict):
        of = authors[node["author"]]["user"] if "author" in node else author
        for name, value in node.items():
            if name != "marks":
                found += written(value, authors, of)
    return found


@pytest.mark.rule("H7")
async def test_every_character_is_by_who_typed_it(
    generator: Generator, database: Database, rng: random.Random, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through offline edits, edits that others passed on, reloads, and restores pressed by anybody; now and then."""
    monkeypatch.setattr(index, "CHUNK_ROWS", 60)
    checked = restores = sessions = 0
    while checked < scale.blamed_characters:
        people = rng.randint(2, 5)
        session = Session(generator, f"blame-{sessions}", seed=rng.getrandbits(32), people=people)
        kept = Kept(database, DocumentId(f"blame/{sessions}"))
        head = Seq(0)
        for _ in range(6):
            head = await kept.take(session.step(40))
            await kept.index()
            if rng.random() < 0.5:
                past = Seq(rng.randint(1, head))
                presser = rng.randrange(people)
                restoration = await kept.historian.restoration(kept.document, past)
                await kept.note(restoration, past, presser)
                session.append(presser, restoration.update)
                head = await kept.take([(user_id(presser), restoration.update)])
                restores += 1
        for seq in (None, *(Seq(rng.randint(1, head)) for _ in range(4))):
            blamed = await kept.historian.blame(kept.document, seq)
            found = written(blamed["roots"], blamed["authors"])
            wrong = [(character, author) for character, author in found if author != writer_of(character)]
            assert not wrong, f"session {sessions}, seq {seq}"
            shown = session.states([seq or head])[seq or head]
            assert Counter(character for character, _ in found.elements()) == _characters(shown)
            checked += found.total()
        session.close()
        sessions += 1
    report(f"{checked} characters of {sessions} sessions with {restores} restores, 0 by anybody else")
    assert restores


def _characters(dumped: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    if isinstance(dumped, str):
        found.update(character for character in dumped if writer_of(character) is not None)
    elif isinstance(dumped, list):
        for item in dumped:
            found += _characters(item)
    elif isinstance(dumped, dict):
        for item in dumped.values():
            found += _characters(item)
    return found


async def test_blame_goes_on_from_what_it_knows_and_tells_the_same_as_one_that_starts_anew(
    generator: Generator, database: Database, seed: int
) -> None:
    session = Session(generator, "again", seed=seed, people=3)
    kept = Kept(database, DocumentId("again"))
    for _ in range(5):
        await kept.take(session.step(30))
        anew = Kept(database, kept.document).historian
        assert await kept.historian.blame(kept.document) == await anew.blame(kept.document)
    session.close()


async def test_without_accounts_clients_are_told_apart(database: Database) -> None:
    kept = Kept(database, DocumentId("nobody"))
    one, other = new_doc(client_id=1), new_doc(client_id=2)
    one["text"].insert(0, "one ")
    other.apply_update(one.get_update())
    before = other.get_state()
    other["text"].insert(4, "other")
    await kept.take([(None, one.get_update()), (None, other.get_update(before))])  # type: ignore[list-item]
    blamed = await kept.historian.blame(kept.document)
    assert blamed["authors"] == [{"user": None, "client": 1}, {"user": None, "client": 2}]
    assert blamed["roots"][0]["content"] == [{"text": "one ", "author": 0}, {"text": "other", "author": 1}]
