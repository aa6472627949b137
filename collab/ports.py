"""What the engine needs from the world. `storage` and `web` implement these; tests have in-memory twins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from collab.errors import CollabError, StoreError
from collab.types import DocumentId, Seq


class NewUpdate(NamedTuple):
    """One row to be appended: a validated Yjs v1 update and who sent it."""

    user_id: str | None
    payload: bytes


class Append(NamedTuple):
    """Rows of one document, in the order in which they must be replayed. Never empty."""

    document: DocumentId
    updates: tuple[NewUpdate, ...]


class StoredUpdate(NamedTuple):
    """One committed row."""

    seq: Seq
    user_id: str | None
    at_ms: int
    """Wall clock of the commit's writer, milliseconds since 1970. Never used as order."""
    payload: bytes
    first: Seq | None = None
    """Of a row that stands for all from this one through `seq`, which were thinned out; it has no author."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Merged state of a document through `seq`: what `Doc.get_update()` gives, loadable into an empty Doc."""

    through: Seq
    state: bytes


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """Everything a cold room needs: newest trusted checkpoint and the rows after it, in order."""

    epoch: str
    """Names this lineage of the document; changes only when its history is deliberately begun anew."""
    checkpoint: Checkpoint | None
    updates: list[StoredUpdate]
    head: Seq
    """Seq of the last committed row; 0 for an empty document."""
    schema: int = 0
    """Version of the editor's schema that it was written with; 0 when nobody has said."""


@dataclass(frozen=True, slots=True)
class UpdatePage:
    """A bounded run of rows with seq > `after`, gapless, and the head as of the same snapshot."""

    updates: list[StoredUpdate]
    head: Seq


class UpdateLog(Protocol):
    """The append-only log of every document.

    Rule L1: `seq` is per document, gapless, and its order is commit order.
    Rule L2: `append` returns only after everything in it is durable at the configured level.
    Rule L3: `append` is atomic: all rows of all documents in it, or none.
    Rule L4: rows are never changed; checkpoints never delete rows. Only retention does (`collab.history.thinning`).
    Rule L5: a reader that sees seq n sees every seq below n.
    """

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        """Read what a room needs; with `create`, bring the document into being when it does not exist.

        Raises:
            DocumentNotFound: it does not exist and `create` is false, or it is in the bin.
            DocumentQuarantined: it is in quarantine.
            CorruptUpdate: a row or the checkpoint does not match its checksum.
            StoreUnavailable: the database cannot be reached.
        """
        ...

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        """Commit all rows in one transaction. The same document may appear more than once, in order.

        Returns:
            For each Append, in order, the seq of its last row (its rows end there, consecutively).

        Raises:
            DocumentNotFound: one of the documents was purged meanwhile; nothing was written.
            StoreUnavailable: nothing is known to be written; the caller may retry the same appends.
        """
        ...

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        """Rows with seq > `after`, oldest first: at most `limit`, and at least one if there is one, stopping
        before the payloads exceed `bytes_max`.

        Raises:
            DocumentNotFound, CorruptUpdate, StoreUnavailable: as for `load`. Works for documents in the bin.
        """
        ...

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        """Keep the newest checkpoint. One with a lower `through` than what is stored is ignored.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        ...


class Quarantine(Protocol):
    """Keeps documents from being loaded whose stored data is damaged, or whose load has ended a process.

    Nothing of such a document is changed or thrown away.
    """

    async def salvage(self, document: DocumentId) -> LoadedDocument:
        """As `UpdateLog.load`, but what is intact from the beginning on, also of a document in quarantine. All of it
        is when the last row is the head.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        ...

    async def admit(self, document: DocumentId, reason: str, good: Checkpoint | None) -> None:
        """Put a document into quarantine; for one that is there already, reason and state are replaced.

        Args:
            reason: for people, in one line.
            good: an older state that can be shown meanwhile.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        ...

    async def release(self, document: DocumentId) -> None:
        """Let the document be loaded again. Does nothing for one that is not in quarantine.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        ...

    async def last_good(self, document: DocumentId) -> Checkpoint | None:
        """The state that can be shown of a document in quarantine, if any.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        ...


class Reporter:
    """Is told what whoever runs the server should know. This one keeps it to itself."""

    def quarantined(self, document: DocumentId, reason: str) -> None:
        """A document went into quarantine."""

    def refused(self, document: DocumentId, user_id: str | None, error: CollabError) -> None:
        """A session was ended for what its client sent, or because that may not be there any more."""

    def unrelated(self, document: DocumentId, user_id: str | None) -> None:
        """A client came with a copy that shares nothing with a document that is not empty."""

    def saving_failed(self, error: StoreError) -> None:
        """Edits cannot be saved just now; called once, until they can be again."""

    def saving_again(self, seconds: float) -> None:
        """Everything that could not be saved for `seconds` is."""


class Connection(Protocol):
    """One client's socket as a room sees it: synchronous, never blocks."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Queues a ready-made frame, or several (see `FrameEncoder`). Raises RuntimeError when the socket is dead."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the close handshake; later writes are dropped. Idempotent."""
        ...

    def probe(self, timeout: float) -> None:
        """Ask the peer for a sign of life; without one in `timeout` seconds the connection is aborted."""
        ...


FrameEncoder = Callable[[bytes], bytes]
"""Wraps one message into the bytes that `Connection.write` takes, once for all receivers."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic time and deferred calls, in seconds. An asyncio event loop is one."""

    def time(self) -> float: ...

    def call_soon(self, callback: Callable[[], object], /) -> Timer: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer: ...
