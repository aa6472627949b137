"""What every `Quarantine` must hold, on all adapters."""

import random

import pytest

from collab.errors import DocumentNotFound, DocumentQuarantined
from collab.ports import Checkpoint, Quarantine, UpdateLog
from collab.types import DocumentId, Seq
from storage.documents import Documents, QuarantineInfo
from tests.contract.conftest import START_MS, WallClock
from tests.storage.edits import A, B, append, stored

GOOD = Checkpoint(Seq(1), b"what it was before")


@pytest.fixture(autouse=True)
async def _two_documents(log: UpdateLog) -> None:
    for document in (A, B):
        await log.load(document, create=True)
    await log.append([append(A, b"one", b"two", b"three", by="ada"), append(B, b"1")])


async def test_a_document_in_quarantine_is_not_loaded_and_its_rows_stay(log: UpdateLog, quarantine: Quarantine) -> None:
    await quarantine.admit(A, "row 2 does not match its checksum", GOOD)
    for create in (False, True):
        with pytest.raises(DocumentQuarantined, match="row 2 does not match its checksum"):
            await log.load(A, create=create)
    assert (await log.load(B, create=False)).head == 1
    assert await stored(log, A) == [b"one", b"two", b"three"]


async def test_what_was_accepted_before_is_still_appended(log: UpdateLog, quarantine: Quarantine) -> None:
    await quarantine.admit(A, "it was killed", None)
    assert await log.append([append(A, b"four")]) == [4]


async def test_a_released_document_is_loaded_again(log: UpdateLog, quarantine: Quarantine) -> None:
    await quarantine.admit(A, "it was killed", GOOD)
    await quarantine.release(A)
    assert len((await log.load(A, create=False)).updates) == 3
    assert await quarantine.last_good(A) is None
    await quarantine.release(A)


async def test_the_state_that_can_be_shown_is_kept_and_replaced(quarantine: Quarantine, rng: random.Random) -> None:
    assert await quarantine.last_good(A) is None
    await quarantine.admit(A, "it was killed", GOOD)
    assert await quarantine.last_good(A) == GOOD
    large = Checkpoint(Seq(2), rng.randbytes(300_000))
    await quarantine.admit(A, "it was killed again", large)
    assert await quarantine.last_good(A) == large
    await quarantine.admit(A, "it was killed once more", None)
    assert await quarantine.last_good(A) is None


async def test_everything_intact_can_be_salvaged_in_quarantine_or_not(log: UpdateLog, quarantine: Quarantine) -> None:
    before = await log.load(A, create=False)
    assert await quarantine.salvage(A) == before
    await quarantine.admit(A, "it was killed", None)
    assert await quarantine.salvage(A) == before
    await log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    salvaged = await quarantine.salvage(A)
    assert (salvaged.checkpoint, len(salvaged.updates)) == (Checkpoint(Seq(2), b"state"), 1)


async def test_the_catalogue_says_why_and_since_when(
    documents: Documents, quarantine: Quarantine, clock: WallClock
) -> None:
    assert (await documents.get(A)).quarantine is None
    clock.now_ms += 5
    await quarantine.admit(A, "it was killed", None)
    assert (await documents.get(A)).quarantine == QuarantineInfo("it was killed", START_MS + 5, readable=False)
    await quarantine.admit(A, "it was killed", GOOD)
    (found,) = await documents.list(limit=10, quarantined=True)
    assert found.id == A
    assert found.quarantine == QuarantineInfo("it was killed", START_MS + 5, readable=True)
    assert len(await documents.list(limit=10)) == 2
    await documents.delete(A)
    assert [info.id for info in await documents.list(limit=10, quarantined=True, deleted=True)] == [A]
    await quarantine.release(A)
    assert await documents.list(limit=10, quarantined=True, deleted=True) == []


async def test_what_does_not_exist_is_not_found(quarantine: Quarantine) -> None:
    nothing = DocumentId("nothing")
    for refused in (
        quarantine.salvage(nothing),
        quarantine.admit(nothing, "?", None),
        quarantine.release(nothing),
        quarantine.last_good(nothing),
    ):
        with pytest.raises(DocumentNotFound):
            await refused
