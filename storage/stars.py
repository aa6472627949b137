"""Which documents people have starred: each person their own, whatever they may do there."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from collab.errors import DocumentNotFound
from collab.types import DocumentId
from storage.people import People
from storage.rows import find_document, insert
from storage.tables import documents, people, stars
from storage.transactions import Transactions

_AT_ONCE = 500


class SqlStars:
    """Every method may raise StoreUnavailable; `give` and `take` also StoreBroken."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._people = People(transactions)

    async def give(self, document: DocumentId, user_id: str) -> None:
        """
        Raises:
            DocumentNotFound.
        """
        person_pk = (await self._people.intern([user_id]))[user_id]

        def work(connection: Connection) -> None:
            found = find_document(connection, document)
            if found is None:
                raise DocumentNotFound(f"there is no document {document}")
            statement = insert(connection, stars).on_conflict_do_nothing()
            connection.execute(statement, {"person_pk": person_pk, "document_pk": found.pk})

        await self._transactions.write(work)

    async def take(self, document: DocumentId, user_id: str) -> None:
        mine = select(people.c.pk).where(people.c.external_id == user_id)
        named = select(documents.c.pk).where(documents.c.name == document)
        statement = delete(stars).where(stars.c.person_pk.in_(mine), stars.c.document_pk.in_(named))
        await self._transactions.write(lambda connection: connection.execute(statement))

    async def among(self, names: Collection[DocumentId], user_id: str) -> Collection[DocumentId]:
        """Which of these documents somebody has starred."""
        wanted = list(names)
        starred = select(documents.c.name).join(stars, stars.c.document_pk == documents.c.pk)
        starred = starred.join(people, people.c.pk == stars.c.person_pk).where(people.c.external_id == user_id)

        def work(connection: Connection) -> Collection[DocumentId]:
            found: set[DocumentId] = set()
            for start in range(0, len(wanted), _AT_ONCE):
                named = documents.c.name.in_(wanted[start : start + _AT_ONCE])
                found.update(DocumentId(name) for name in connection.scalars(starred.where(named)))
            return found

        return await self._transactions.read(work) if wanted else ()
