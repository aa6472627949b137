"""What documents say, kept beside the log so that a search need not load them. All of it can be made again.

Words stand in an ordinary table and not in the full-text search of either database: neither divides scripts without
spaces into words, and the two would have to be kept, migrated, backed up and tested apart.

Rule Y1: what is kept of a document is what it said at one seq, whole or not at all; never replaced by what is older.
Rule Y2: a search finds a document when each word of the question is the beginning of a word in it.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select
from sqlalchemy import insert as insert_rows

from collab.types import DocumentId, Seq
from storage.rows import find_document, insert
from storage.tables import documents, quarantines, search_texts, search_words
from storage.transactions import Transactions
from storage.words import beginnings_of, excerpt, words_of

TEXT_CHARACTERS_MAX = 2_000_000
EXCERPT_CHARACTERS = 160
_LOOKED_THROUGH = 50_000
"""Characters of each text in which an excerpt is looked for."""
_AT_ONCE = 500
_LAST = "\U0010ffff"
"""Behind every character in the order of UTF-8."""


class SqlSearch:
    """Every method may raise StoreUnavailable; `keep` also StoreBroken."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def behind(self, limit: int) -> Sequence[DocumentId]:
        """Documents with edits that no search finds yet. Those in quarantine cannot be read."""
        chosen = (
            select(documents.c.name)
            .select_from(documents.outerjoin(search_texts).outerjoin(quarantines))
            .where(documents.c.head_seq > func.coalesce(search_texts.c.through_seq, 0), quarantines.c.reason.is_(None))
            .limit(limit)
        )
        found = await self._transactions.read(lambda connection: connection.execute(chosen).all())
        return [DocumentId(name) for (name,) in found]

    async def keep(self, document: DocumentId, through: Seq, text: str, words: Collection[str]) -> None:
        """What a document said at a seq. Rule Y1. Nothing happens when it does not exist any more."""
        wanted = frozenset(words)

        def work(connection: Connection) -> None:
            found = find_document(connection, document)
            if found is None or found.head_seq < through:
                return  # Purged, and perhaps begun anew.
            kept = connection.scalar(
                select(search_texts.c.through_seq).where(search_texts.c.document_pk == found.pk).with_for_update()
            )
            if kept is not None and kept >= through:
                return
            _set_words(connection, found.pk, wanted)
            values = {"document_pk": found.pk, "through_seq": through, "text": text[:TEXT_CHARACTERS_MAX]}
            statement = insert(connection, search_texts)
            replaced = {"through_seq": statement.excluded.through_seq, "text": statement.excluded.text}
            connection.execute(statement.on_conflict_do_update(index_elements=["document_pk"], set_=replaced), values)

        await self._transactions.write(work)

    async def excerpts(self, names: Collection[DocumentId], query: str) -> dict[DocumentId, str]:
        """Of some documents, what stands round the words that a search asked for."""
        chosen = list(names)

        def work(connection: Connection) -> list[Any]:
            rows: list[Any] = []
            beginning = func.substr(search_texts.c.text, 1, _LOOKED_THROUGH)
            for start in range(0, len(chosen), _AT_ONCE):
                named = documents.c.name.in_(chosen[start : start + _AT_ONCE])
                rows += connection.execute(select(documents.c.name, beginning).join(search_texts).where(named)).all()
            return rows

        rows = await self._transactions.read(work) if chosen else []
        found = {DocumentId(name): excerpt(text, query, EXCERPT_CHARACTERS) for name, text in rows}
        return {name: piece for name, piece in found.items() if piece is not None}


def says(query: str) -> ColumnElement[bool] | None:
    """Rule Y2, of a document in the statement round it; None when there is no word in the question."""
    beginnings = beginnings_of(query)
    if not beginnings:
        return None
    word = search_words.c.word

    def begins(beginning: str) -> ColumnElement[bool]:
        having = select(search_words.c.document_pk).where(word >= beginning, word < beginning + _LAST)
        return documents.c.pk.in_(having)

    return and_(*map(begins, beginnings))


def _set_words(connection: Connection, document_pk: int, wanted: frozenset[str]) -> None:
    """Only what changed is written: an edit brings a word or two."""
    mine = search_words.c.document_pk == document_pk
    kept = set(connection.scalars(select(search_words.c.word).where(mine)))
    gone = list(kept - wanted)
    for start in range(0, len(gone), _AT_ONCE):
        connection.execute(delete(search_words).where(mine, search_words.c.word.in_(gone[start : start + _AT_ONCE])))
    new = [{"word": word, "document_pk": document_pk} for word in sorted(wanted - kept)]
    if new:
        connection.execute(insert_rows(search_words), new)


def index_of(text: str) -> tuple[str, set[str]]:
    """What `SqlSearch.keep` takes. It takes a second for a million words: not on the event loop for long texts."""
    storable = text.replace("\0", "")[:TEXT_CHARACTERS_MAX]
    return storable, words_of(storable)
