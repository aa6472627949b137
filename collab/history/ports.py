"""What history keeps beside the log, and what it needs of whoever keeps it. `storage` implements it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from collab.types import DocumentId, Seq


class Extent(NamedTuple):
    """How far a document's log reaches, and how much of it has been indexed."""

    epoch: str
    """Names this lineage of the log: another one once rows were thinned out."""
    head: Seq
    indexed: Seq


@dataclass(frozen=True, slots=True)
class HistoryCheckpoint:
    """A document through a seq with everything that was ever deleted in it, as `pack_state` writes it."""

    through: Seq
    packed: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """What one person did without a longer pause: the smallest piece of a timeline."""

    user_id: str | None
    first: Seq
    last: Seq
    started_ms: int
    ended_ms: int
    updates: int
    added: int
    """Characters, in UTF-16 units as browsers count."""
    removed: int


class Binding(NamedTuple):
    """Who first used a client id, and in which row."""

    client: int
    user_id: str | None
    first: Seq


@dataclass(frozen=True, slots=True)
class Chunk:
    """The index of the rows after `after` through the checkpoint's seq."""

    after: Seq
    checkpoint: HistoryCheckpoint
    spans: tuple[Span, ...]
    bindings: tuple[Binding, ...]
    """Of client ids that no earlier row used."""
    epoch: str = ""
    """The lineage of the log that it was made from."""


class EventKind(Enum):
    RESTORE = "restore"
    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened to a document as a whole."""

    kind: EventKind
    user_id: str | None
    seq: Seq
    """The state it concerns: exported, imported as, restored. Of a restore, the past one."""
    detail: str = ""
    """A format, a block, a file's name: for people."""
    client: int | None = None
    """Of a restore: the client id of its edits."""
    copies: bytes = b""
    """Of a restore: see `collab.history.copies`."""


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    kind: EventKind
    user_id: str | None
    at_ms: int
    seq: Seq
    detail: str
    row: Seq | None
    """Of a restore: the row of its edit. None until that is committed, and for ever if that failed."""
    client: int | None


@dataclass(frozen=True, slots=True)
class Version:
    """A seq that somebody gave a name."""

    id: int
    seq: Seq
    name: str
    user_id: str | None
    at_ms: int


class HistoryStore(Protocol):
    """Every method may raise DocumentNotFound and StoreUnavailable; those that write also StoreBroken.

    Rule L10: a chunk is kept whole or not at all, once, and only where the index ends.
    """

    async def extent(self, document: DocumentId) -> Extent: ...

    async def kept(self, document: DocumentId) -> Sequence[Seq]:
        """Where rows were thinned out: the seqs of the states that stayed, in order. Later rows all did."""
        ...

    async def checkpoint(self, document: DocumentId, at: Seq) -> HistoryCheckpoint | None:
        """The newest checkpoint through `at` or before.

        Raises:
            CorruptUpdate: it does not match its checksum.
        """
        ...

    async def add_chunk(self, document: DocumentId, chunk: Chunk) -> bool:
        """Keep one more chunk. False: the index does not end where it begins (any more)."""
        ...

    async def spans(self, document: DocumentId) -> list[Span]:
        """All that are indexed, in the order of their last rows."""
        ...

    async def bindings(self, document: DocumentId) -> list[Binding]: ...

    async def copies(self, document: DocumentId) -> list[tuple[int, bytes]]:
        """Client id and copies of each restore."""
        ...

    async def add_event(self, document: DocumentId, event: NewEvent) -> int:
        """Returns its id."""
        ...

    async def finish_restore(self, document: DocumentId, event: int, row: Seq) -> None:
        """Say which row holds the edit of a restore."""
        ...

    async def events(self, document: DocumentId) -> list[Event]:
        """In the order in which they happened."""
        ...

    async def add_version(self, document: DocumentId, *, seq: Seq, name: str, user_id: str | None) -> Version:
        """
        Raises:
            HistoryNotFound: the log does not reach to `seq`.
        """
        ...

    async def rename_version(self, document: DocumentId, version: int, name: str) -> Version:
        """
        Raises:
            HistoryNotFound: there is none with this id.
        """
        ...

    async def remove_version(self, document: DocumentId, version: int) -> None:
        """
        Raises:
            HistoryNotFound: there is none with this id.
        """
        ...

    async def versions(self, document: DocumentId) -> list[Version]:
        """In the order of their seqs."""
        ...

    async def behind(self, rows: int) -> Sequence[DocumentId]:
        """Documents with at least so many rows that are not indexed."""
        ...
