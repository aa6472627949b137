"""Writers that keep account of what the server acknowledged, for tests that take the server away from them."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from pycrdt import Array, Doc, Map

from tests.e2e.raw_client import Disconnected, RawClient
from tests.e2e.replica import items_of
from tests.servers import ServerProcess

_WINDOW_MAX = 30
"""Edits a writer sends ahead of their acknowledgement, at most."""


@dataclass
class Account:
    """What one writer did to one document. Only what `acknowledged_…` holds was promised."""

    inserted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    acknowledged_inserts: set[str] = field(default_factory=set)
    acknowledged_deletes: set[str] = field(default_factory=set)
    counter: int = 0
    """Last value the writer gave its own key of the Map."""
    acknowledged_counter: int = 0

    @property
    def unacknowledged(self) -> int:
        return len(self.inserted) - len(self.acknowledged_inserts)


@dataclass(frozen=True, slots=True)
class _Edit:
    marker: int
    inserted: str
    deleted: str | None
    counter: int


class Writer:
    """One client that inserts uniquely tagged items, deletes some of its own and counts in a key of its own."""

    def __init__(self, name: str, server: ServerProcess, document: str, rng: Random) -> None:
        self.name = name
        self.document = document
        self.account = Account()
        self._client = RawClient(server, document)
        self._rng = rng
        self._edits: deque[_Edit] = deque()

    async def connect(self) -> None:
        await self._client.connect()

    async def write_until_cut_off(self) -> None:
        """Edit as fast as acknowledgements come until the connection ends."""
        window = self._rng.randint(1, _WINDOW_MAX)
        with suppress(Disconnected):
            while True:
                await self.write()
                self._settle()
                if self._client.asked - self._client.acknowledged >= window:
                    await self._client.acknowledged_through(self._client.asked - window // 2)
        await self._client.closed()
        self._settle()

    async def catch_up(self) -> None:
        """Wait until everything written so far is acknowledged."""
        await self._client.saved()
        self._settle()

    async def close(self) -> None:
        await self._client.close()

    @property
    def connected(self) -> bool:
        return self._client.connected

    @property
    def acknowledged(self) -> int:
        """How many of its edits were acknowledged."""
        return self._client.acknowledged

    async def write(self) -> None:
        """One edit, without waiting for its acknowledgement."""
        account = self.account
        account.counter += 1
        tag = f"{self.name}.{account.counter}"
        account.inserted.add(tag)
        update = self._client.change(partial(self._edit, tag=tag))
        await self._client.send_update(update)
        await self._client.ask_saved()

    def _edit(self, doc: Doc[Any], tag: str) -> None:
        array = doc.get("array", type=Array)
        victim = None
        if len(array) and self._rng.random() < 0.5:
            position = self._rng.randrange(len(array))
            if self._is_mine(array[position]):
                victim = array.pop(position)
                self.account.deleted.add(victim)
        array.insert(self._rng.randint(0, len(array)), tag)
        doc.get("map", type=Map)[self.name] = self.account.counter
        self._edits.append(_Edit(self._client.asked + 1, tag, victim, self.account.counter))

    def _is_mine(self, tag: str) -> bool:
        return tag.startswith(f"{self.name}.")

    def _settle(self) -> None:
        account = self.account
        while self._edits and self._edits[0].marker <= self._client.acknowledged:
            edit = self._edits.popleft()
            account.acknowledged_inserts.add(edit.inserted)
            account.acknowledged_counter = edit.counter
            if edit.deleted is not None:
                account.acknowledged_deletes.add(edit.deleted)


def check_promises(doc: Doc[Any], writers: list[Writer]) -> None:
    """Compare a document with the accounts of all its writers.

    Raises:
        AssertionError: an acknowledged insert is missing, something is there twice, an acknowledged delete came back,
            or something is there that nobody wrote.
    """
    items = items_of(doc)
    present = set(items)
    assert len(items) == len(present), f"there twice: {sorted({item for item in items if items.count(item) > 1})}"
    counters = doc.get("map", type=Map)
    invented = set(present)
    for writer in writers:
        account = writer.account
        lost = account.acknowledged_inserts - account.deleted - present
        assert not lost, f"acknowledged and lost: {sorted(lost)}"
        risen = account.acknowledged_deletes & present
        assert not risen, f"deleted, acknowledged and back: {sorted(risen)}"
        counter = counters.get(writer.name, 0)
        assert account.acknowledged_counter <= counter <= account.counter, f"{writer.name} counted to {counter}"
        invented -= account.inserted
    assert not invented, f"nobody wrote {sorted(invented)}"


async def write_until_cut_off(writers: list[Writer]) -> None:
    await asyncio.gather(*(writer.write_until_cut_off() for writer in writers))
