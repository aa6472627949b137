"""A past state becomes the present again by one small edit, and everybody ends with the same."""

import random
from collections import Counter

import pytest
from pycrdt import Text, XmlElement, XmlFragment, XmlText

from collab.errors import HistoryNotFound
from collab.history import index
from collab.live import LiveDocument
from collab.scanner import scan_update
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import new_doc
from tests.history.conftest import Scale, report
from tests.history.sessions import Generator, Kept, Session, characters_of, user_id

pytestmark = [pytest.mark.xdist_group("history"), pytest.mark.timeout(3600)]


@pytest.mark.rule("H6")
async def test_a_restore_is_exact_and_everybody_converges(
    generator: Generator, database: Database, rng: random.Random, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While clients type, and with those that were offline and come back later."""
    monkeypatch.setattr(index, "CHUNK_ROWS", 50)
    sizes = []
    for number in range(scale.restores):
        people = rng.randint(2, 4)
        session = Session(generator, f"restore-{number}", seed=rng.getrandbits(32), people=people)
        kept = Kept(database, DocumentId(f"restore/{number}"))
        head = await kept.take(session.step(rng.randint(15, 60)))
        await kept.index()
        past = Seq(rng.randint(0, head))
        restoration = await kept.historian.restoration(kept.document, past)
        sizes.append(len(restoration.update))

        # Exact: on the state it was made for, it gives the past state. And a room takes it.
        before = [update for _, update in session.rows]
        states = session.states([past])
        assert generator.replay([*before, restoration.update]) == states[past], f"document {number}, seq {past}"
        live = LiveDocument(before)
        assert live.attaches(scan_update(restoration.update))
        assert live.admit(restoration.update)

        # Convergent: clients typed on before it arrived, and others come back later.
        await kept.take(session.step(rng.randint(0, 10)))
        await kept.note(restoration, past, 0)
        session.append(0, restoration.update)
        await kept.take([(user_id(0), restoration.update)])
        await kept.take(session.step(rng.randint(0, 10)))
        await kept.take(session.settle())
        replicas = session.replicas()
        assert all(replica == replicas[0] for replica in replicas), f"document {number} differs"
        assert not replicas[0]["pending"]
        twice = [one for one, times in Counter(characters_of(replicas[0]["content"])).items() if times > 1]
        assert not twice, f"document {number} has {twice} twice"
        session.close()
    sizes.sort()
    report(f"{scale.restores} restores exact and convergent; median update {sizes[len(sizes) // 2]} bytes")


async def test_restoring_again_what_is_there_changes_nothing(
    generator: Generator, database: Database, seed: int
) -> None:
    session = Session(generator, "again", seed=seed, people=3)
    kept = Kept(database, DocumentId("again"))
    head = await kept.take(session.step(60))
    past = Seq(head // 2)
    restoration = await kept.historian.restoration(kept.document, past)
    await kept.note(restoration, past, 1)
    await kept.take([(user_id(1), restoration.update)])
    again = await kept.historian.restoration(kept.document, past)
    assert not restoration.empty
    assert again.empty
    session.close()


async def test_a_letter_that_somebody_else_typed_since_is_not_taken_for_the_one_that_was_there(
    database: Database,
) -> None:
    """Once a restore of "Hello" over somebody's "Goodbye" left their o standing, and so the o was theirs."""
    kept = Kept(database, DocumentId("letters"))
    ann, bob = new_doc(), new_doc()
    ann["text"].insert(0, "Hello")
    bob.apply_update(ann.get_update())
    before = bob.get_state()
    bob["text"].clear()
    bob["text"].insert(0, "Goodbye")
    await kept.take([("ann", ann.get_update()), ("bob", bob.get_update(before))])
    restoration = await kept.historian.restoration(kept.document, Seq(1))
    await kept.note(restoration, Seq(1), 1)
    await kept.take([("bob", restoration.update)])
    blamed = await kept.historian.blame(kept.document)
    assert [author["user"] for author in blamed["authors"]] == ["ann"]
    assert blamed["roots"][0]["content"] == [{"text": "Hello", "author": 0}]


async def test_of_a_long_text_only_what_differs_is_written(database: Database) -> None:
    kept = Kept(database, DocumentId("long"))
    doc = new_doc()
    text = doc.get("text", type=Text)
    text.insert(0, "All of this stays. " * 500)
    rows = [("ann", doc.get_update())]
    before = doc.get_state()
    text.insert(19, "This goes. ")
    del text[60:70]
    rows.append(("bob", doc.get_update(before)))
    await kept.take(rows)
    restoration = await kept.historian.restoration(kept.document, Seq(1))
    assert len(restoration.update) < 60
    doc.apply_update(restoration.update)
    assert str(text) == "All of this stays. " * 500


async def test_one_block_comes_back_and_the_others_stay(database: Database) -> None:
    kept = Kept(database, DocumentId("blocks"))
    doc = new_doc()
    blocks = doc.get("xml", type=XmlFragment).children
    for words in ("first", "second", "third"):
        blocks.append(XmlElement("paragraph", {}, [XmlText(words)]))
    first, before = doc.get_update(), doc.get_state()
    for at, words in enumerate(("FIRST", "SECOND", "THIRD")):
        child = blocks[at].children[0]
        child.insert(0, words + " ")
    del blocks[1]
    await kept.take([("ann", first), ("ann", doc.get_update(before))])
    blamed = await kept.historian.blame(kept.document, Seq(1))
    ids = [tuple(map(int, node["id"].split(":"))) for node in blamed["roots"][0]["content"]]

    gone = await kept.historian.restoration(kept.document, Seq(1), block=(ids[1][0], ids[1][1]))
    changed = await kept.historian.restoration(kept.document, Seq(1), block=(ids[0][0], ids[0][1]))
    for restoration in (gone, changed):
        doc.apply_update(restoration.update)
    assert [str(block.children[0]) for block in blocks] == ["first", "second", "THIRD third"]

    with pytest.raises(HistoryNotFound, match="no such block"):
        await kept.historian.restoration(kept.document, Seq(0), block=(ids[0][0], ids[0][1]))


async def test_one_root_comes_back_and_the_others_stay(database: Database) -> None:
    kept = Kept(database, DocumentId("roots"))
    doc = new_doc()
    doc["text"].insert(0, "then")
    doc["map"]["key"] = "then"
    first = doc.get_update()
    before = doc.get_state()
    doc["text"].insert(0, "now ")
    doc["map"]["key"] = "now"
    await kept.take([("ann", first), ("ann", doc.get_update(before))])
    restoration = await kept.historian.restoration(kept.document, Seq(1), root="text")
    doc.apply_update(restoration.update)
    assert (str(doc["text"]), doc["map"]["key"]) == ("then", "now")
