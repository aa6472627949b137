"""Python's end of `interop/sessions.mjs`: random sessions of people with published Yjs, and a database for them."""

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from collab.history.historian import Historian
from collab.history.ports import EventKind, NewEvent
from collab.history.restore import Restoration
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import Dump, canonical
from tests.interop.node import HERE, DriverError, require_node

BMP, BMP_EACH = 0x4E00, 2000
ASTRAL, ASTRAL_EACH = 0x20000, 5000
Row = tuple[str, bytes]
"""Who sent it, and the update."""


def user_id(number: int) -> str:
    return f"person-{number}"


def writer_of(character: str) -> str | None:
    """Whose character it is; None for one that nobody's are like."""
    code = ord(character)
    if code >= ASTRAL:
        return user_id((code - ASTRAL) // ASTRAL_EACH)
    return user_id((code - BMP) // BMP_EACH) if BMP <= code < 0xA000 else None


def characters_of(value: Any) -> Iterator[str]:
    """Every character that somebody wrote anywhere in a dumped document."""
    if isinstance(value, str):
        yield from (character for character in value if writer_of(character) is not None)
    elif isinstance(value, list):
        for item in value:
            yield from characters_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from characters_of(item)


class Generator:
    """The Node process."""

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([require_node(), HERE / "sessions.mjs"], stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def ask(self, name: str, **request: Any) -> Any:
        """
        Raises:
            DriverError: it failed there.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": name, **request}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise DriverError(answer["error"])
        return answer["ok"]

    def replay(self, updates: Iterable[bytes]) -> Dump:
        """What Yjs makes of updates."""
        encoded = [base64.b64encode(update).decode() for update in updates]
        content: Dump = canonical(self.ask("replay", session="", updates=encoded))
        return content


class Session:
    """A document that several people edit."""

    def __init__(self, generator: Generator, name: str, *, seed: int, people: int) -> None:
        self.rows: list[Row] = []
        self._generator = generator
        self._name = name
        generator.ask("open", session=name, seed=seed, people=people)

    def _ask(self, request: str, **arguments: Any) -> Any:
        return self._generator.ask(request, session=self._name, **arguments)

    def _take(self, news: list[tuple[int, str]]) -> list[Row]:
        rows = [(user_id(number), base64.b64decode(update)) for number, update in news]
        self.rows += rows
        return rows

    def step(self, count: int) -> list[Row]:
        """Let `count` things happen; returns the rows that came into the log."""
        return self._take(self._ask("step", count=count))

    def settle(self) -> list[Row]:
        """Everybody comes back and hears of everything."""
        return self._take(self._ask("settle"))

    def append(self, number: int, update: bytes) -> None:
        """Put a row into the log that is nobody's edit, such as a restore."""
        self.rows.append((user_id(number), update))
        self._ask("append", user=number, update=base64.b64encode(update).decode())

    def replicas(self) -> list[dict[str, Any]]:
        """What each person has: content, state vector, deletions, and whether anything is pending."""
        found = self._ask("dumps")
        for replica in found:
            replica["content"] = canonical(replica["content"])
            del replica["update"]
        return list(found)

    def states(self, seqs: Iterable[int]) -> dict[int, Dump]:
        """What Yjs makes of the log through each seq."""
        found = self._ask("states", seqs=sorted(set(seqs)))
        return {int(seq): canonical(content) for seq, content in found.items()}

    def close(self) -> None:
        self._ask("close")


class Kept:
    """A session's document in a database."""

    def __init__(self, database: Database, document: DocumentId) -> None:
        self.document = document
        self.historian = Historian(database.log, database.history)
        self._database = database
        self._head = Seq(0)

    async def take(self, rows: Iterable[Row]) -> Seq:
        """Log rows, each of its own; returns the head."""
        updates = tuple(NewUpdate(user, update) for user, update in rows)
        if self._head == 0:
            await self._database.log.load(self.document, create=True)
        if updates:
            (self._head,) = await self._database.log.append([Append(self.document, updates)])
        return self._head

    async def index(self) -> None:
        """Index what is due, as a server does in the background."""
        while (chunk := await self.historian.next_chunk(self.document)) is not None:
            assert await self._database.history.add_chunk(self.document, chunk)

    async def note(self, restoration: Restoration, at: Seq, number: int) -> None:
        """What a server notes before it applies a restoration."""
        event = NewEvent(EventKind.RESTORE, user_id(number), at, client=restoration.client, copies=restoration.copies)
        await self._database.history.add_event(self.document, event)
