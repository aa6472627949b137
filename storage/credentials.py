"""API tokens, single-use tickets, and what the servers of one database have to agree on."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update
from sqlalchemy import insert as insert_rows

from collab.types import DocumentId, Role
from storage.accounts import Account, account_by_pk
from storage.audit_log import Actor, Event, record
from storage.errors import EntryNotFound
from storage.rows import insert
from storage.sharing import Person, role_name
from storage.tables import accounts, server_values, tickets, tokens
from storage.transactions import Transactions

_KEY = "secrets-key"
_VERSION = "access-version"


@dataclass(frozen=True, slots=True)
class NewToken:
    digest: str
    label: str
    documents: Mapping[str, Role]
    expires_at_ms: int | None
    account_pk: int | None
    user_name: str
    by_operator: bool = False
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    id: int
    label: str
    account: Account | None
    """None: a program without an account, called `user_name`."""
    user_name: str
    documents: Mapping[str, Role]
    by_operator: bool
    administrator: bool
    created_at_ms: int
    expires_at_ms: int | None
    used_at_ms: int | None

    @property
    def person(self) -> Person:
        return (
            Person(self.user_name, self.user_name)
            if self.account is None
            else Person(self.account.id, self.account.name)
        )


class SqlCredentials:
    """Every method may raise StoreUnavailable; those that write also StoreBroken."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    # -- API tokens --------------------

    async def create_token(self, new: NewToken, by: Actor) -> Token:
        now_ms = self._now_ms()
        documents = json.dumps({pattern: role_name(role) for pattern, role in new.documents.items()})
        values = {
            "digest": new.digest,
            "label": new.label,
            "account_pk": new.account_pk,
            "user_name": new.user_name,
            "documents": documents,
            "by_operator": new.by_operator,
            "administrator": new.administrator,
            "created_at_ms": now_ms,
            "expires_at_ms": new.expires_at_ms,
        }

        def work(connection: Connection) -> Token:
            statement = insert(connection, tokens).on_conflict_do_nothing(index_elements=["digest"])
            connection.execute(statement, values)
            details = {"label": new.label, "for": new.user_name, "documents": json.loads(documents)}
            record(connection, now_ms, Event(by, "token-made", details=details))
            return _token(connection, connection.execute(select(tokens).where(tokens.c.digest == new.digest)).one())

        return await self._transactions.write(work)

    async def find_token(self, digest: str) -> Token | None:
        """The token of this digest, unless it has expired or its person is suspended."""
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: live_token(connection, digest, now_ms))

    async def tokens(self, account_pk: int | None) -> list[Token]:
        """Somebody's tokens; None for everybody's."""
        statement = select(tokens).order_by(tokens.c.pk)
        if account_pk is not None:
            statement = statement.where(tokens.c.account_pk == account_pk)
        return await self._transactions.read(
            lambda connection: [_token(connection, row) for row in connection.execute(statement).all()]
        )

    async def revoke_token(self, token_id: int, account_pk: int | None, by: Actor) -> None:
        """
        Args:
            account_pk: whose token it has to be; None for anybody's.

        Raises:
            EntryNotFound.
        """
        now_ms = self._now_ms()
        chosen = delete(tokens).where(tokens.c.pk == token_id)
        if account_pk is not None:
            chosen = chosen.where(tokens.c.account_pk == account_pk)

        def work(connection: Connection) -> None:
            if connection.execute(chosen).rowcount == 0:
                raise EntryNotFound("there is no such token")
            record(connection, now_ms, Event(by, "token-revoked", details={"token": token_id}))

        await self._transactions.write(work)

    async def touch(self, token_ids: set[int]) -> None:
        """They were used just now."""
        statement = update(tokens).where(tokens.c.pk.in_(token_ids)).values(used_at_ms=self._now_ms())
        await self._transactions.write(lambda connection: connection.execute(statement))

    # -- tickets --------------------

    async def create_ticket(
        self, digest: str, document: DocumentId, visitor: Mapping[str, Any], expires_at_ms: int
    ) -> None:
        values = {
            "digest": digest,
            "document": document,
            "visitor": json.dumps(dict(visitor)),
            "expires_at_ms": expires_at_ms,
        }
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            connection.execute(delete(tickets).where(tickets.c.expires_at_ms <= now_ms))
            connection.execute(insert(connection, tickets).on_conflict_do_nothing(), values)

        await self._transactions.write(work)

    async def use_ticket(self, digest: str) -> tuple[DocumentId, dict[str, Any]] | None:
        """Use a ticket up. None: there is none, or it has expired."""
        chosen = delete(tickets).where(tickets.c.digest == digest).returning(tickets)
        now_ms = self._now_ms()

        def work(connection: Connection) -> tuple[DocumentId, dict[str, Any]] | None:
            row = connection.execute(chosen).one_or_none()
            if row is None or row.expires_at_ms <= now_ms:
                return None
            return DocumentId(row.document), json.loads(row.visitor)

        return await self._transactions.write(work)

    # -- what servers share --------------------

    async def key(self) -> bytes:
        """The key of this database under which secrets are made; created by whoever asks first."""
        fresh = secrets.token_hex(32)

        def work(connection: Connection) -> str:
            statement = insert(connection, server_values).on_conflict_do_nothing(index_elements=["name"])
            connection.execute(statement, {"name": _KEY, "value": fresh})
            return str(connection.execute(_value(_KEY)).scalar_one())

        found = await self._transactions.read(lambda connection: connection.scalar(_value(_KEY)))
        return bytes.fromhex(found or await self._transactions.write(work))

    async def version(self) -> str:
        """Another one whenever a server of this database has changed who may do what."""
        found = await self._transactions.read(lambda connection: connection.scalar(_value(_VERSION)))
        return found or ""

    async def set_version(self, version: str) -> None:
        def work(connection: Connection) -> None:
            changed = update(server_values).where(server_values.c.name == _VERSION).values(value=version)
            if connection.execute(changed).rowcount == 0:
                connection.execute(insert_rows(server_values), {"name": _VERSION, "value": version})

        await self._transactions.write(work)


def live_token(connection: Connection, digest: str, now_ms: int) -> Token | None:
    """See `SqlCredentials.find_token`; in the transaction of the caller."""
    statement = (
        select(tokens)
        .outerjoin(accounts, accounts.c.pk == tokens.c.account_pk)
        .where(
            tokens.c.digest == digest,
            or_(tokens.c.expires_at_ms.is_(None), tokens.c.expires_at_ms > now_ms),
            accounts.c.suspended_at_ms.is_(None),
        )
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _token(connection, row)


def _value(name: str) -> Any:
    return select(server_values.c.value).where(server_values.c.name == name)


def _token(connection: Connection, row: Row[Any]) -> Token:
    return Token(
        id=row.pk,
        label=row.label,
        account=None if row.account_pk is None else account_by_pk(connection, row.account_pk),
        user_name=row.user_name,
        documents={pattern: Role[role.upper()] for pattern, role in json.loads(row.documents).items()},
        by_operator=row.by_operator,
        administrator=row.administrator,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        used_at_ms=row.used_at_ms,
    )
