"""What is written down a moment later: once, bounded, and not lost while the database is away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from collab.errors import StoreUnavailable
from storage.audit_log import Actor, Event
from web.recorder import Recorder

ANN = Actor("ann", "Ann", "192.0.2.1")


class FakeDatabase:
    """Takes entries; each write lasts until the loop has gone round a few times."""

    def __init__(self) -> None:
        self.audit = self.accounts = self.credentials = self
        self.written: list[Event] = []
        self.away = False

    async def write(self, events: Sequence[Event]) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        self.written += events

    async def touch(self, ids: set[int]) -> None:
        self.written.append(Event(Actor(), "touched", details={"ids": sorted(ids)}))


def recorder() -> tuple[Recorder, FakeDatabase]:
    database: Any = FakeDatabase()
    return Recorder(database), database


async def test_writing_twice_at_once_writes_everything_once() -> None:
    """The audit log is written every second, and before it is read: both at once wrote entries twice, and then forgot
    as many of those that had come meanwhile."""
    notes, database = recorder()
    notes.note(ANN, "one")
    first, second = asyncio.create_task(notes.flush()), asyncio.create_task(notes.flush())
    await asyncio.sleep(0)
    notes.note(ANN, "two")
    await asyncio.gather(first, second)
    await notes.flush()
    assert [event.action for event in database.written] == ["one", "two"]


async def test_the_same_refusals_are_counted_together_and_bounded() -> None:
    notes, database = recorder()
    for _ in range(1000):
        notes.refused(ANN, "plans", "you may not", "read")
    for number in range(1000):
        notes.refused(Actor(address=f"192.0.2.{number}"), None, "you may not", "read")
    await notes.flush()
    assert len(database.written) <= 501
    assert database.written[0].details["times"] == 1000
    assert sum(event.details["times"] for event in database.written) == 2000
    await notes.flush()
    assert sum(event.details["times"] for event in database.written) == 2000


async def test_what_cannot_be_written_is_kept() -> None:
    notes, database = recorder()
    database.away = True
    notes.note(ANN, "one")
    notes.refused(ANN, None, "you may not", "read")
    with pytest.raises(StoreUnavailable):
        await notes.flush()
    database.away = False
    await notes.flush()
    assert [event.action for event in database.written] == ["one", "refused"]


async def test_uses_are_written_now_and_then() -> None:
    notes, database = recorder()
    for sign_in in (3, 1, 3):
        notes.used_sign_in(sign_in)
    notes.used_token(7)
    await notes.flush(uses=False)
    assert database.written == []
    await notes.flush()
    assert [event.details["ids"] for event in database.written] == [[1, 3], [7]]
