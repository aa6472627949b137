"""Who wrote what: every character's author is who typed it, whoever sent it and whatever became of it since."""

import random
from collections import Counter
from typing import Any

import pytest

from collab.history import index
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import Dump, canonical, new_doc
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


@pytest.mark.rule("H5")
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
            assert dumped(blamed) == shown, f"session {sessions}, seq {seq}: not what Yjs shows"
            checked += found.total()
        session.close()
        sessions += 1
    report(f"{checked} characters of {sessions} sessions with {restores} restores, 0 by anybody else")
    assert restores


def dumped(blamed: dict[str, Any]) -> Dump:
    """A blamed document without its authors, in the form in which a Y.Doc is dumped."""
    roots = {root["name"]: root for root in blamed["roots"]}
    empty: dict[str, Any] = {}
    found: Dump = canonical(
        {
            "text": {"text": _runs(roots.get("text", empty))},
            "map": {"map": _entries(roots.get("map", empty))},
            "array": {"array": _children(roots.get("array", empty))},
            "xml": {"fragment": _children(roots.get("xml", empty))},
        }
    )
    return found


def _value(node: dict[str, Any]) -> Any:
    match node.get("type"):
        case "text" | "xml text":
            return {"text": _runs(node)}
        case "map":
            return {"map": _entries(node)}
        case "array":
            return {"array": _children(node)}
        case "element":
            return {"element": node["tag"], "attributes": _entries(node), "children": _children(node)}
        case _:
            return node["value"]


def _runs(node: dict[str, Any]) -> list[Any]:
    return [
        [child["text"] if "text" in child else {"embed": child["embed"]}, child.get("marks", {})]
        for child in node.get("content", ())
    ]


def _entries(node: dict[str, Any]) -> dict[str, Any]:
    return {key: _value(entry) for key, entry in node.get("entries", {}).items()}


def _children(node: dict[str, Any]) -> list[Any]:
    return [_value(child) for child in node.get("content", ())]


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
