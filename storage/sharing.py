"""Who has which role in which document, and the links that give one.

Rule G1: a document has at most one owner; ownership is transferred, never given or taken.
Rule G2: somebody's role is the highest of what they were given, what a link they opened gives while it lives, and what
    everybody has.
Rule G3: whether a document exists makes no difference to a role: one that is not there gives none, by the same
    statement.
Rule G4: see rule A1 of `storage.audit_log`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, delete, func, literal, or_, select, update

from collab.errors import DocumentNotFound
from collab.types import DocumentId, Role
from storage.accounts import Account, account_pk_of, person
from storage.audit_log import Actor, Event, record
from storage.documents import (
    DOCUMENT_COLUMNS,
    Choice,
    DocumentInfo,
    check_limit,
    check_title,
    chosen,
    document_info,
    get_document,
    is_findable,
)
from storage.errors import DocumentExists, EntryNotFound, LinkNotValid, OwnerStays, PersonNotFound
from storage.rows import create_document, find_document, insert, new_epoch
from storage.tables import accounts, documents, general_access, grants, link_holders, quarantines, share_links
from storage.transactions import Transactions

Who = Literal["invited", "signed-in", "anyone"]
"""For whom a document is open besides those who were invited."""

SHARED_ROLES = (Role.READER, Role.COMMENTER, Role.EDITOR)
"""Roles that can be given."""


@dataclass(frozen=True, slots=True)
class General:
    who: Who
    role: Role | None


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ShareLink:
    id: int
    role: Role
    created_by: str | None
    created_at_ms: int
    expires_at_ms: int | None
    uses: int


@dataclass(frozen=True, slots=True)
class Sharing:
    general: General
    people: list[tuple[Person, Role]]
    links: list[ShareLink]


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do with a document, and until when that is certain."""

    role: Role | None
    until_ms: int | None = None
    """When a link that it may rest on expires."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in somebody's list."""

    info: DocumentInfo
    role: Role
    owner: Person | None


class SqlSharing:
    """Every method may raise StoreUnavailable; those that write also StoreBroken, and DocumentNotFound."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    async def standing(self, account: Account | None, document: DocumentId) -> Standing:
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: standing(connection, account, document, now_ms))

    async def owner(self, document: DocumentId) -> Person | None:
        statement = (
            select(accounts.c.id, accounts.c.name)
            .join(grants, grants.c.account_pk == accounts.c.pk)
            .join(documents, documents.c.pk == grants.c.document_pk)
            .where(documents.c.name == document, grants.c.role == Role.OWNER)
        )
        row = await self._transactions.read(lambda connection: connection.execute(statement).one_or_none())
        return None if row is None else Person(row.id, row.name)

    async def page(
        self,
        account: Account,
        *,
        everything: bool,
        choice: Choice,
        shared: bool = False,
        limit: int,
    ) -> list[Listed]:
        """As `SqlDocuments.choose`, of those in which somebody has a role (in the bin: owns), or of all.

        Args:
            shared: only what belongs to somebody else.
        """
        check_limit(limit)
        if choice.query and not is_findable(choice.query):
            return []
        now_ms = self._now_ms()

        def work(connection: Connection) -> list[Listed]:
            statement = _list_statement(account, now_ms, everything=everything, deleted=choice.deleted)
            if shared:
                statement = statement.where(func.coalesce(_direct(account.pk), 0) != Role.OWNER)
            rows = connection.execute(chosen(connection, statement, choice).limit(limit))
            return [_listed(row, administrator=account.administrator) for row in rows]

        return await self._transactions.read(work)

    async def create_document(self, document: DocumentId, title: str, owner: Account, by: Actor) -> DocumentInfo:
        """Create an empty document that belongs to somebody.

        Raises:
            DocumentExists, ValueError: as `Documents.create`.
        """
        check_title(title)
        epoch, now_ms = new_epoch(), self._now_ms()

        def work(connection: Connection) -> DocumentInfo:
            create_document(connection, document, title=title, epoch=epoch, now_ms=now_ms)
            row = find_document(connection, document)
            if row is None or row.epoch != epoch:
                raise DocumentExists(f"a document {document} exists already")
            _give(connection, row.pk, owner.pk, Role.OWNER)
            record(connection, now_ms, Event(by, "document-created", document))
            return get_document(connection, document)

        return await self._transactions.write(work)

    async def sharing(self, document: DocumentId) -> Sharing:
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: _sharing(connection, document, now_ms))

    async def set_general(self, document: DocumentId, who: Who, role: Role | None, by: Actor) -> Sharing:
        """
        Raises:
            ValueError: a role where there can be none, or none where there has to be one.
        """
        if (role is None) != (who == "invited") or role not in (None, *SHARED_ROLES):
            raise ValueError("'invited' goes without a role; the others go with reader, commenter or editor")
        details = {"who": who, "role": role_name(role)}

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            connection.execute(delete(general_access).where(general_access.c.document_pk == document_pk))
            if role is not None:
                values = {"document_pk": document_pk, "who": who, "role": role}
                connection.execute(insert(connection, general_access), values)

        return await self._change(document, by, "general-access", details, work)

    async def give(self, document: DocumentId, account_id: str, role: Role, by: Actor) -> Sharing:
        """Give somebody a role, or another one.

        Raises:
            PersonNotFound, OwnerStays.
            ValueError: nobody is made an owner this way.
        """
        if role not in SHARED_ROLES:
            raise ValueError("a role is reader, commenter or editor; ownership is transferred")
        details = {"person": account_id, "role": role_name(role)}

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            account = person(connection, account_id)
            _require_no_owner(connection, document_pk, account.pk)
            _give(connection, document_pk, account.pk, role)

        return await self._change(document, by, "role-given", details, work)

    async def take(self, document: DocumentId, account_id: str, by: Actor) -> Sharing:
        """Take somebody's role away: the one they were given, and those by links.

        Raises:
            PersonNotFound: nobody with this id has a role here. OwnerStays.
        """

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            account_pk = connection.scalar(select(accounts.c.pk).where(accounts.c.id == account_id))
            _require_no_owner(connection, document_pk, account_pk)
            taken = connection.execute(
                delete(grants).where(grants.c.document_pk == document_pk, grants.c.account_pk == account_pk)
            ).rowcount
            here = select(share_links.c.pk).where(share_links.c.document_pk == document_pk)
            taken += connection.execute(
                delete(link_holders).where(link_holders.c.account_pk == account_pk, link_holders.c.link_pk.in_(here))
            ).rowcount
            if not taken:
                raise PersonNotFound("nobody with this id was given a role in this document")

        return await self._change(document, by, "role-taken", {"person": account_id}, work)

    async def transfer(self, document: DocumentId, account_id: str, by: Actor) -> Sharing:
        """Make somebody the owner; the owner until now becomes an editor.

        Raises:
            PersonNotFound.
        """

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            account = person(connection, account_id)
            if account.suspended_at_ms is not None:
                raise PersonNotFound("somebody who is suspended cannot own a document")
            connection.execute(
                update(grants)
                .where(grants.c.document_pk == document_pk, grants.c.role == Role.OWNER)
                .values(role=Role.EDITOR)
            )
            _give(connection, document_pk, account.pk, Role.OWNER)

        return await self._change(document, by, "ownership-transferred", {"person": account_id}, work)

    async def create_link(
        self, document: DocumentId, digest: str, role: Role, expires_at_ms: int | None, by: Actor
    ) -> ShareLink:
        """
        Raises:
            ValueError: a link cannot give this role.
        """
        if role not in SHARED_ROLES:
            raise ValueError("a link gives the role of a reader, commenter or editor")

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            values = {
                "digest": digest,
                "document_pk": document_pk,
                "role": role,
                "created_by_pk": account_pk_of(connection, by),
                "created_at_ms": now_ms,
                "expires_at_ms": expires_at_ms,
            }
            connection.execute(
                insert(connection, share_links).on_conflict_do_nothing(index_elements=["digest"]), values
            )

        sharing = await self._change(document, by, "link-made", {"role": role_name(role)}, work)
        return max(sharing.links, key=lambda link: link.id)

    async def revoke_link(self, document: DocumentId, link_id: int, by: Actor) -> Sharing:
        """
        Raises:
            EntryNotFound.
        """

        def work(connection: Connection, document_pk: int, now_ms: int) -> None:
            chosen = and_(share_links.c.pk == link_id, share_links.c.document_pk == document_pk)
            found = connection.scalar(select(share_links.c.pk).where(chosen))
            if found is None:
                raise EntryNotFound("there is no such link")
            connection.execute(delete(link_holders).where(link_holders.c.link_pk == found))
            connection.execute(delete(share_links).where(chosen))

        return await self._change(document, by, "link-revoked", {"link": link_id}, work)

    async def find_link(self, digest: str) -> tuple[DocumentId, Role]:
        """
        Raises:
            LinkNotValid.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> tuple[DocumentId, Role]:
            row = _live_link(connection, digest, now_ms)
            return DocumentId(row.name), Role(row.role)

        return await self._transactions.read(work)

    async def hold_link(self, digest: str, account: Account, by: Actor) -> tuple[DocumentId, Role]:
        """Somebody opens a link: its role is theirs while it lives.

        Raises:
            LinkNotValid.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> tuple[DocumentId, Role]:
            row = _live_link(connection, digest, now_ms)
            statement = insert(connection, link_holders).on_conflict_do_nothing()
            connection.execute(statement, {"link_pk": row.pk, "account_pk": account.pk})
            record(connection, now_ms, Event(by, "link-opened", row.name, {"link": row.pk}))
            return DocumentId(row.name), Role(row.role)

        return await self._transactions.write(work)

    async def _change(
        self,
        document: DocumentId,
        by: Actor,
        action: str,
        details: dict[str, Any],
        work: Callable[[Connection, int, int], None],
    ) -> Sharing:
        now_ms = self._now_ms()

        def change(connection: Connection) -> Sharing:
            # FOR UPDATE: two transfers at once would leave two owners (rule G1).
            row = connection.execute(
                select(documents).where(documents.c.name == document).with_for_update()
            ).one_or_none()
            if row is None:
                raise DocumentNotFound(f"there is no document {document}")
            work(connection, row.pk, now_ms)
            record(connection, now_ms, Event(by, action, document, details))
            return _sharing(connection, document, now_ms)

        return await self._transactions.write(change)


def role_name(role: Role | None) -> str | None:
    return None if role is None else role.name.lower()


def standing(connection: Connection, account: Account | None, document: DocumentId, now_ms: int) -> Standing:
    """Rules G2 and G3, in the transaction of the caller."""
    account_pk = 0 if account is None else account.pk
    # A document that does not exist has the number 0, and everything is looked up all the same: whether there is one
    # shows in the time no more than in the answer.
    named = select(documents.c.pk).where(documents.c.name == document).scalar_subquery()
    chosen = select(func.coalesce(named, 0).label("pk")).subquery("chosen")
    direct = _direct(account_pk, chosen.c.pk)
    by_link, until = _by_link(account_pk, now_ms, chosen.c.pk)
    general = chosen.outerjoin(general_access, general_access.c.document_pk == chosen.c.pk)
    row = connection.execute(
        select(
            chosen.c.pk, direct, by_link, until, general_access.c.who, general_access.c.role.label("general")
        ).select_from(general)
    ).one()
    if account is not None and account.administrator:
        return Standing(Role.OWNER if row.pk else None)
    person = account is not None and not account.guest
    everybody = row.general if row.who == "anyone" or (person and row.who == "signed-in") else None
    best = max(row.direct or 0, row.by_link or 0, everybody or 0)
    return Standing(Role(best) if best else None, row.until)


def _direct(account_pk: int, document_pk: ColumnElement[Any] = documents.c.pk) -> ColumnElement[Any]:
    """What somebody was given; `document_pk` is a column of the statement round this."""
    chosen = (grants.c.document_pk == document_pk) & (grants.c.account_pk == account_pk)
    return select(grants.c.role).where(chosen).correlate_except(grants).scalar_subquery().label("direct")


def _by_link(
    account_pk: int, now_ms: int, document_pk: ColumnElement[Any] = documents.c.pk
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What links that somebody holds give, and when the first of them ends."""
    held = share_links.join(link_holders, link_holders.c.link_pk == share_links.c.pk)
    chosen = and_(
        share_links.c.document_pk == document_pk,
        link_holders.c.account_pk == account_pk,
        or_(share_links.c.expires_at_ms.is_(None), share_links.c.expires_at_ms > now_ms),
    )

    def query(value: Any, label: str) -> ColumnElement[Any]:
        found = select(value).select_from(held).where(chosen).correlate_except(share_links, link_holders)
        return found.scalar_subquery().label(label)

    return query(func.max(share_links.c.role), "by_link"), query(func.min(share_links.c.expires_at_ms), "until")


def _list_statement(account: Account, now_ms: int, *, everything: bool, deleted: bool) -> Select[Any]:
    direct = _direct(account.pk)
    by_link, _ = _by_link(account.pk, now_ms)
    shared_with_all = case(
        (general_access.c.who == "anyone", general_access.c.role),
        (and_(general_access.c.who == "signed-in", literal(not account.guest)), general_access.c.role),
        else_=None,
    ).label("everybody")
    ownership = (
        select(grants.c.document_pk, accounts.c.id.label("owner_id"), accounts.c.name.label("owner_name"))
        .join(accounts, accounts.c.pk == grants.c.account_pk)
        .where(grants.c.role == Role.OWNER)
        .subquery()
    )
    statement = select(
        *DOCUMENT_COLUMNS, direct, by_link, shared_with_all, ownership.c.owner_id, ownership.c.owner_name
    ).select_from(
        documents.outerjoin(quarantines)
        .outerjoin(general_access, general_access.c.document_pk == documents.c.pk)
        .outerjoin(ownership, ownership.c.document_pk == documents.c.pk)
    )
    if everything:
        return statement
    if deleted:
        return statement.where(direct == Role.OWNER)
    # What is merely open to anyone is in nobody's list until they were given a role or opened a link.
    signed_in = and_(general_access.c.who != "anyone", shared_with_all.is_not(None))
    return statement.where(or_(direct.is_not(None), by_link.is_not(None), signed_in))


def _listed(row: Row[Any], *, administrator: bool) -> Listed:
    role = Role.OWNER if administrator else Role(max(row.direct or 0, row.by_link or 0, row.everybody or 0))
    owner = None if row.owner_id is None else Person(row.owner_id, row.owner_name)
    return Listed(document_info(row), role, owner)


def _give(connection: Connection, document_pk: int, account_pk: int, role: Role) -> None:
    statement = insert(connection, grants)
    statement = statement.on_conflict_do_update(
        index_elements=["document_pk", "account_pk"], set_={"role": statement.excluded.role}
    )
    connection.execute(statement, {"document_pk": document_pk, "account_pk": account_pk, "role": role})


def _require_no_owner(connection: Connection, document_pk: int, account_pk: int | None) -> None:
    chosen = (grants.c.document_pk == document_pk) & (grants.c.account_pk == account_pk)
    if connection.scalar(select(grants.c.role).where(chosen)) == Role.OWNER:
        raise OwnerStays("the owner's role cannot be changed; transfer the document first")


def _live_link(connection: Connection, digest: str, now_ms: int) -> Any:
    statement = (
        select(share_links.c.pk, share_links.c.role, documents.c.name)
        .join(documents, documents.c.pk == share_links.c.document_pk)
        .where(
            share_links.c.digest == digest,
            or_(share_links.c.expires_at_ms.is_(None), share_links.c.expires_at_ms > now_ms),
            documents.c.deleted_at_ms.is_(None),
        )
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise LinkNotValid("this link does not work: it has expired or was revoked")
    return row


def _sharing(connection: Connection, document: DocumentId, now_ms: int) -> Sharing:
    row = connection.execute(
        select(documents.c.pk, general_access.c.who, general_access.c.role)
        .select_from(documents.outerjoin(general_access))
        .where(documents.c.name == document)
    ).one_or_none()
    if row is None:
        raise DocumentNotFound(f"there is no document {document}")
    general = General("invited", None) if row.who is None else General(row.who, Role(row.role))
    return Sharing(general, _people(connection, row.pk), _links(connection, row.pk, now_ms))


def _people(connection: Connection, document_pk: int) -> list[tuple[Person, Role]]:
    statement = (
        select(accounts.c.id, accounts.c.name, grants.c.role)
        .join(grants, grants.c.account_pk == accounts.c.pk)
        .where(grants.c.document_pk == document_pk)
        .order_by(grants.c.role.desc(), accounts.c.name_folded)
    )
    return [(Person(row.id, row.name), Role(row.role)) for row in connection.execute(statement)]


def _links(connection: Connection, document_pk: int, now_ms: int) -> list[ShareLink]:
    uses = select(func.count()).where(link_holders.c.link_pk == share_links.c.pk).scalar_subquery().label("uses")
    statement = (
        select(share_links, accounts.c.name.label("created_by"), uses)
        .outerjoin(accounts, accounts.c.pk == share_links.c.created_by_pk)
        .where(
            share_links.c.document_pk == document_pk,
            or_(share_links.c.expires_at_ms.is_(None), share_links.c.expires_at_ms > now_ms),
        )
        .order_by(share_links.c.pk)
    )
    return [
        ShareLink(row.pk, Role(row.role), row.created_by, row.created_at_ms, row.expires_at_ms, row.uses)
        for row in connection.execute(statement)
    ]
