"""What an archive says of one document, besides its updates."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from collab.history.ports import Binding, EventKind, Span
from collab.types import DocumentId, Seq

FORMAT = "coscribe-archive"
VERSION = 1
THINNED_VERSION = 2
"""Of an archive in which rows of some document were thinned out."""
IMAGES_VERSION = 3
"""Of an archive that has images."""
IMAGES = "images"
"""The folder of a document's images, each named by the SHA-256 of its content."""
MANIFEST = "manifest.json"
UPDATES = "updates.ndjson"
VERSIONS = "versions.ndjson"
EVENTS = "events.ndjson"
CLIENTS = "clients.ndjson"
SESSIONS = "sessions.ndjson"
STATE = "state.yjs"
CONTENT = ("content.md", "content.json", "content.txt")

SEAL_PREFIX = b"sha256:"
"""The ZIP file's comment: this, and the SHA-256 of every byte of the file before the digits."""


@dataclass(frozen=True, slots=True)
class ArchivedVersion:
    """A seq that somebody gave a name."""

    seq: Seq
    name: str
    user_id: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    """Something that happened to a document as a whole; see `collab.history.ports.Event` and `NewEvent`."""

    kind: EventKind
    user_id: str | None
    at_ms: int
    seq: Seq
    detail: str
    row: Seq | None
    client: int | None
    copies: bytes


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """What is in it stands beside the document, in an archive and in a spool."""

    digest: str
    media_type: str
    bytes: int
    user_id: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    id: DocumentId
    title: str
    epoch: str
    head: Seq
    created_at_ms: int
    updated_at_ms: int
    deleted_at_ms: int | None
    versions: tuple[ArchivedVersion, ...] = field(default=())
    events: tuple[ArchivedEvent, ...] = field(default=())
    clients: tuple[Binding, ...] = field(default=())
    """Who first used which client id, and"""
    sessions: tuple[Span, ...] = field(default=())
    """who wrote how much when, in the rows that were thinned out: those do not tell any more."""
    images: tuple[ArchivedImage, ...] = field(default=())


def iso_time(milliseconds: int) -> str:
    """As in every answer of the API."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def milliseconds(text: str) -> int:
    """From what `iso_time` gives.

    Raises:
        ValueError: it is something else.
    """
    if not text.endswith("Z") or len(text) != 24:
        raise ValueError("a time is written as 2026-01-31T12:00:00.000Z")
    moment = datetime.fromisoformat(text[:-5] + "+00:00")
    return int(moment.timestamp()) * 1000 + int(text[-4:-1])
