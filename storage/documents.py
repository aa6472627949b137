"""The catalogue of documents: names, titles, the bin. SQL implementation of the `Documents` port.

Rule D1: a name belongs to one document, also while that lies in the bin.
Rule D2: names are compared byte by byte (`a` is not `A`) and listed in that order.
Rule D3: deleting and restoring are idempotent; the bin loses nothing.
Rule D4: a search finds its text in names and titles whatever the case, and its words in what documents say (rule Y2);
    no character of it is a wildcard.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, func, literal, or_, select, tuple_, update

from collab.errors import DocumentNotFound
from collab.types import DocumentId, Seq
from storage.errors import DocumentExists
from storage.rows import create_document, fold, new_epoch
from storage.search import says
from storage.tables import BYTEWISE_TEXT, documents, people, quarantines, stars
from storage.transactions import Transactions

TITLE_CHARACTERS_MAX = 1000
IN_BIN = "this document was moved to the bin"
_NAMES_AT_ONCE = 500
_EPOCH = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuarantineInfo:
    """Why and since when a document is in quarantine."""

    reason: str
    at_ms: int
    readable: bool
    """An older state of it can be shown."""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What is known of a document without loading it. Times in milliseconds since 1970."""

    id: DocumentId
    title: str
    epoch: str
    head: Seq
    created_at_ms: int
    updated_at_ms: int
    """When it was last written to or renamed."""
    deleted_at_ms: int | None
    """When it was put into the bin, if it lies there."""

    quarantine: QuarantineInfo | None = None
    """Why it cannot be opened, if so."""


DocumentList = list[DocumentInfo]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends in a list that begins with what was changed last."""

    at_ms: int
    name: DocumentId


@dataclass(frozen=True, slots=True)
class Choice:
    """Which documents, and in which order."""

    query: str | None = None
    """Rule D4."""
    deleted: bool = False
    """Those in the bin, instead of those that are not."""
    quarantined: bool = False
    starred_by: str | None = None
    """Only those that somebody with this id has starred."""
    after: DocumentId | None = None
    """Only those whose names are behind this one; for lists in the order of names."""
    newest_first: bool = False
    """In the order of the last change (in the bin: of when they came there), not of names."""
    before: Place | None = None
    """Only what follows that place; for lists that begin with the newest."""


class Documents(Protocol):
    """The catalogue. Every method may raise StoreUnavailable; those that write also StoreBroken."""

    async def create(self, document: DocumentId, title: str) -> DocumentInfo:
        """Create an empty document.

        Raises:
            DocumentExists: the name is taken, if only in the bin.
            ValueError: the title breaks the rule of `check_title`.
        """
        ...

    async def adopt(self, document: DocumentId, epoch: str) -> None:
        """Create a document that does not exist, in the epoch of a copy that somebody brings: everybody else who has
        one recognises it. What is no epoch is ignored.
        """
        ...

    async def get(self, document: DocumentId) -> DocumentInfo:
        """Look a document up, also in the bin.

        Raises:
            DocumentNotFound: it does not exist.
        """
        ...

    async def list(
        self,
        *,
        after: DocumentId | None = None,
        limit: int,
        query: str | None = None,
        deleted: bool = False,
        quarantined: bool = False,
    ) -> DocumentList:
        """The first `limit` documents in the order of their names; the other arguments as in `Choice`.

        Raises:
            ValueError: `limit` is not positive.
        """
        ...

    async def rename(self, document: DocumentId, title: str) -> DocumentInfo:
        """Give a document another title, also in the bin.

        Raises:
            DocumentNotFound: it does not exist.
            ValueError: the title breaks the rule of `check_title`.
        """
        ...

    async def delete(self, document: DocumentId) -> DocumentInfo:
        """Put a document into the bin. One that lies there already keeps its time.

        Raises:
            DocumentNotFound: it does not exist.
        """
        ...

    async def restore(self, document: DocumentId) -> DocumentInfo:
        """Take a document out of the bin, if it lies there.

        Raises:
            DocumentNotFound: it does not exist.
        """
        ...


def check_title(title: str) -> None:
    """At most TITLE_CHARACTERS_MAX characters, no control characters, nothing that UTF-8 cannot hold.

    Raises:
        ValueError: the title breaks the rule; the text says how.
    """
    if len(title) > TITLE_CHARACTERS_MAX:
        raise ValueError(f"a title has at most {TITLE_CHARACTERS_MAX} characters")
    if any(character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character <= "\udfff" for character in title):
        raise ValueError("a title has no control characters")


class SqlDocuments:
    """See `Documents` for the contract of each method."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    async def create(self, document: DocumentId, title: str) -> DocumentInfo:
        check_title(title)
        epoch, now_ms = new_epoch(), self._now_ms()

        def work(connection: Connection) -> DocumentInfo:
            create_document(connection, document, title=title, epoch=epoch, now_ms=now_ms)
            return get_document(connection, document)

        created = await self._transactions.write(work)
        # The epoch tells ours from somebody else's, also when a lost transaction had to be tried again.
        if created.epoch != epoch:
            raise DocumentExists(f"a document {document} exists already")
        return created

    async def adopt(self, document: DocumentId, epoch: str) -> None:
        if _EPOCH.fullmatch(epoch) is None:
            return
        try:
            await self.get(document)
        except DocumentNotFound:
            now_ms = self._now_ms()
            await self._transactions.write(
                lambda connection: create_document(connection, document, title="", epoch=epoch, now_ms=now_ms)
            )

    async def get(self, document: DocumentId) -> DocumentInfo:
        return await self._transactions.read(lambda connection: get_document(connection, document))

    async def list(
        self,
        *,
        after: DocumentId | None = None,
        limit: int,
        query: str | None = None,
        deleted: bool = False,
        quarantined: bool = False,
    ) -> DocumentList:
        return await self.choose(
            Choice(query=query, deleted=deleted, quarantined=quarantined, after=after), limit=limit
        )

    async def choose(self, choice: Choice, *, limit: int) -> DocumentList:
        """The first `limit` documents of a choice. Raises as `list`."""
        check_limit(limit)
        if choice.query and not is_findable(choice.query):
            return []

        def work(connection: Connection) -> DocumentList:
            rows = connection.execute(chosen(connection, _SELECT, choice).limit(limit))
            return [document_info(row) for row in rows]

        return await self._transactions.read(work)

    async def rename(self, document: DocumentId, title: str) -> DocumentInfo:
        check_title(title)
        return await self._update(document, title=title, title_folded=fold(title), updated_at_ms=self._now_ms())

    async def delete(self, document: DocumentId) -> DocumentInfo:
        now_ms = literal(self._now_ms(), BigInteger)
        return await self._update(document, deleted_at_ms=func.coalesce(documents.c.deleted_at_ms, now_ms))

    async def in_bin(self, names: Collection[DocumentId]) -> Collection[DocumentId]:
        """Which of them are in the bin."""
        wanted = list(names)

        def work(connection: Connection) -> Collection[DocumentId]:
            found: set[DocumentId] = set()
            for start in range(0, len(wanted), _NAMES_AT_ONCE):
                named = documents.c.name.in_(wanted[start : start + _NAMES_AT_ONCE])
                in_bin = select(documents.c.name).where(named, documents.c.deleted_at_ms.is_not(None))
                found.update(connection.scalars(in_bin))
            return found

        return await self._transactions.read(work) if wanted else ()

    async def restore(self, document: DocumentId) -> DocumentInfo:
        return await self._update(document, deleted_at_ms=None)

    async def require_schema(self, document: DocumentId, version: int) -> None:
        """From now on it is written with this version of the editor's schema, or a later one."""
        older = (documents.c.name == document) & (documents.c.schema_version < version)
        statement = update(documents).where(older).values(schema_version=version)
        await self._transactions.write(lambda connection: connection.execute(statement))

    async def _update(self, document: DocumentId, **values: Any) -> DocumentInfo:
        def work(connection: Connection) -> DocumentInfo:
            connection.execute(update(documents).where(documents.c.name == document).values(**values))
            return get_document(connection, document)

        return await self._transactions.write(work)


def check_limit(limit: int) -> None:
    if limit < 1:
        raise ValueError("limit must be positive")


def is_findable(query: str) -> bool:
    """Whether a title could hold this text. Databases refuse to look for what they cannot store."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in query)


def chosen(connection: Connection, statement: Select[Any], choice: Choice) -> Select[Any]:
    """A statement on documents joined with quarantines, narrowed to a choice, in its order."""
    in_bin = documents.c.deleted_at_ms.is_not(None)
    statement = statement.where(in_bin if choice.deleted else ~in_bin)
    if choice.query:
        statement = statement.where(_matches(connection, choice.query))
    if choice.quarantined:
        statement = statement.where(quarantines.c.reason.is_not(None))
    if choice.starred_by is not None:
        theirs = select(stars.c.document_pk).join(people).where(people.c.external_id == choice.starred_by)
        statement = statement.where(documents.c.pk.in_(theirs))
    if choice.newest_first:
        at = func.coalesce(documents.c.deleted_at_ms, documents.c.updated_at_ms)
        if choice.before is not None:
            place = tuple_(literal(choice.before.at_ms, BigInteger), literal(choice.before.name, BYTEWISE_TEXT))
            statement = statement.where(tuple_(at, documents.c.name) < place)
        return statement.order_by(at.desc(), documents.c.name.desc())
    if choice.after is not None:
        statement = statement.where(documents.c.name > choice.after)
    return statement.order_by(documents.c.name)


def _matches(connection: Connection, query: str) -> ColumnElement[bool]:
    """Rule D4."""
    folded, said = fold(query), says(query)
    # Not LIKE: it has wildcards to escape, and SQLite's limits the length of its pattern.
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    named = or_(position(func.lower(documents.c.name), folded) > 0, position(documents.c.title_folded, folded) > 0)
    return named if said is None else or_(named, said)


DOCUMENT_COLUMNS = (
    documents,
    quarantines.c.reason,
    quarantines.c.at_ms.label("quarantined_at_ms"),
    quarantines.c.through_seq.label("readable_through"),
)
"""What `document_info` needs, of documents joined with quarantines."""
_SELECT = select(*DOCUMENT_COLUMNS).select_from(documents.outerjoin(quarantines))


def get_document(connection: Connection, document: DocumentId) -> DocumentInfo:
    """`Documents.get`, in the transaction of the caller."""
    row = connection.execute(_SELECT.where(documents.c.name == document)).one_or_none()
    if row is None:
        raise DocumentNotFound(f"there is no document {document}")
    return document_info(row)


def document_info(row: Row[Any]) -> DocumentInfo:
    return DocumentInfo(
        id=DocumentId(row.name),
        title=row.title,
        epoch=row.epoch,
        head=Seq(row.head_seq),
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
        deleted_at_ms=row.deleted_at_ms,
        quarantine=None
        if row.reason is None
        else QuarantineInfo(row.reason, row.quarantined_at_ms, row.readable_through is not None),
    )
