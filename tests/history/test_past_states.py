"""Every state a document ever had, as the rows through each seq make it in published Yjs."""

import random

import pytest

from collab.errors import HistoryNotFound
from collab.history import index
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import canonical, dump, new_doc
from tests.history.conftest import Scale, report
from tests.history.sessions import Generator, Kept, Session

pytestmark = [pytest.mark.xdist_group("history"), pytest.mark.timeout(3600)]


@pytest.mark.rule("H5")
async def test_every_past_state_is_what_yjs_makes_of_the_same_rows(
    generator: Generator, database: Database, rng: random.Random, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Checkpoints in between, as documents with thousands of rows have them.
    monkeypatch.setattr(index, "CHUNK_ROWS", 40)
    compared = 0
    for number in range(scale.past_sessions):
        session = Session(generator, f"past-{number}", seed=rng.getrandbits(32), people=rng.randint(2, 5))
        kept = Kept(database, DocumentId(f"past/{number}"))
        while len(session.rows) < scale.past_seqs:
            await kept.take(session.step(50))
            await kept.index()
        seqs = rng.sample(range(len(session.rows) + 1), scale.past_seqs)
        for seq, expected in session.states(seqs).items():
            doc = new_doc()
            doc.apply_update(await kept.historian.content(kept.document, Seq(seq)))
            assert canonical(dump(doc)) == expected, f"session {number}, seq {seq} of {len(session.rows)}"
            compared += 1
        session.close()
    report(f"{compared} past states of {scale.past_sessions} sessions equal those of Yjs")


async def test_a_past_state_does_not_hold_text_that_was_deleted_before(database: Database) -> None:
    kept = Kept(database, DocumentId("deleted"))
    doc = new_doc()
    text = doc["text"]
    text.insert(0, "a secret and more")
    first = doc.get_update()
    before = doc.get_state()
    del text[:9]
    await kept.take([("ann", first), ("ann", doc.get_update(before))])
    assert b"a secret" in await kept.historian.content(kept.document, Seq(1))
    assert b"secret" not in await kept.historian.content(kept.document, Seq(2))


async def test_before_the_first_edit_there_is_nothing_and_beyond_the_last_no_state(database: Database) -> None:
    kept = Kept(database, DocumentId("plans"))
    doc = new_doc()
    doc["text"].insert(0, "hello")
    await kept.take([("ann", doc.get_update())])
    assert await kept.historian.content(kept.document, Seq(0)) == b"\x00\x00"
    with pytest.raises(HistoryNotFound, match="from seq 0 to seq 1"):
        await kept.historian.content(kept.document, Seq(2))
