"""People with an account: names, passwords' hashes, sign-ins, and the links that make accounts.

Rule P1: a name and an e-mail address belong to one account, whatever their case.
Rule P2: a link of an invitation, the first run or a new password works once.
Rule P3: there is always an administrator who is not suspended, from the first one on.
Rule P4: a changed password, a suspension and "sign out everywhere" end sign-ins in the transaction that makes them.
Rule P5: see rule A1 of `storage.audit_log`.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from storage.audit_log import Actor, Event, record
from storage.documents import is_findable
from storage.errors import EntryNotFound, LastAdministrator, LinkNotValid, NameTaken, PersonNotFound
from storage.rows import fold, insert
from storage.tables import accounts, grants, invitations, link_holders, people, share_links, sign_ins, stars, tokens
from storage.transactions import Transactions

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 16

FIRST_RUN = "first-run"
INVITATION = "invitation"
PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class Account:
    pk: int
    id: str
    name: str
    email: str | None
    administrator: bool
    guest: bool
    has_password: bool
    created_at_ms: int
    signed_in_at_ms: int | None
    suspended_at_ms: int | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser in which somebody is signed in."""

    id: int
    created_at_ms: int
    used_at_ms: int
    expires_at_ms: int
    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class NewSignIn:
    digest: str
    expires_at_ms: int
    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class Invitation:
    id: int
    kind: str
    name: str | None
    email: str | None
    administrator: bool
    invited_by: str | None
    created_at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class NewInvitation:
    digest: str
    expires_at_ms: int
    name: str | None = None
    email: str | None = None
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class NewAccount:
    name: str
    email: str | None = None
    password_hash: str | None = None
    oidc_subject: str | None = None
    administrator: bool = False


def new_account_id() -> str:
    return "u" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


class SqlAccounts:
    """Every method may raise StoreUnavailable; those that write also StoreBroken."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    # -- finding --------------------

    async def find(self, account_id: str) -> Account:
        """
        Raises:
            PersonNotFound: or it is a guest.
        """
        return await self._transactions.read(lambda connection: _person(connection, account_id))

    async def find_by_login(self, login: str) -> tuple[Account, str | None] | None:
        """The account of this name or e-mail address, with the hash of its password."""
        folded = fold(login.strip())
        column = accounts.c.email_folded if "@" in folded else accounts.c.name_folded
        if not is_findable(folded):
            return None
        row = await self._transactions.read(
            lambda connection: connection.execute(select(accounts).where(column == folded)).one_or_none()
        )
        return None if row is None else (_account(row), row.password_hash)

    async def password_hash(self, account_pk: int) -> str | None:
        statement = select(accounts.c.password_hash).where(accounts.c.pk == account_pk)
        return await self._transactions.read(lambda connection: connection.scalar(statement))

    async def has_administrator(self) -> bool:
        return await self._transactions.read(_has_administrator)

    async def search(self, query: str, limit: int) -> list[Account]:
        """People who can be given a role: the text in their name, or their whole e-mail address."""
        if not is_findable(query):
            return []

        def work(connection: Connection) -> list[Account]:
            folded = fold(query.strip())
            found = or_(_contains(connection, accounts.c.name_folded, folded), accounts.c.email_folded == folded)
            statement = _people().where(found, accounts.c.suspended_at_ms.is_(None))
            return [_account(row) for row in connection.execute(statement.limit(limit))]

        return await self._transactions.read(work)

    async def page(self, *, query: str | None, after: str | None, limit: int) -> list[tuple[Account, int]]:
        """A page of people in the order of their names, each with the number of their sign-ins."""
        if query and not is_findable(query):
            return []
        now_ms = self._now_ms()

        def work(connection: Connection) -> list[tuple[Account, int]]:
            count = (
                select(func.count())
                .select_from(sign_ins)
                .where(sign_ins.c.account_pk == accounts.c.pk, sign_ins.c.expires_at_ms > now_ms)
                .scalar_subquery()
            )
            statement = _people().add_columns(count.label("sign_ins"))
            if query:
                folded = fold(query.strip())
                columns = (accounts.c.name_folded, accounts.c.email_folded)
                statement = statement.where(or_(*(_contains(connection, column, folded) for column in columns)))
            if after is not None:
                statement = statement.where(accounts.c.name_folded > fold(after))
            return [(_account(row), row.sign_ins) for row in connection.execute(statement.limit(limit))]

        return await self._transactions.read(work)

    # -- accounts --------------------

    async def create(self, new: NewAccount, by: Actor) -> Account:
        """Make an account without an invitation (command line, single sign-on).

        Raises:
            NameTaken.
        """
        account_id, now_ms = new_account_id(), self._now_ms()

        def work(connection: Connection) -> Account:
            account = _create(connection, account_id, new, now_ms)
            record(
                connection, now_ms, Event(by, "person-created", details={"person": account.id, "name": account.name})
            )
            return account

        return await self._transactions.write(work)

    async def change(
        self, account_id: str, by: Actor, *, administrator: bool | None = None, suspended: bool | None = None
    ) -> Account:
        """Make somebody an administrator or not; let somebody in or not.

        Raises:
            PersonNotFound, LastAdministrator.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> Account:
            account = _person(connection, account_id)
            values: dict[str, Any] = {}
            if administrator is not None and administrator != account.administrator:
                values["administrator"] = administrator
            if suspended is not None and suspended != (account.suspended_at_ms is not None):
                values["suspended_at_ms"] = now_ms if suspended else None
            if not values:
                return account
            connection.execute(update(accounts).where(accounts.c.pk == account.pk).values(**values))
            if account.administrator and not _has_administrator(connection):
                raise LastAdministrator("somebody has to be an administrator")
            if values.get("suspended_at_ms"):
                _end_sign_ins(connection, account.pk)
            details = {"person": account.id, "name": account.name}
            if "administrator" in values:
                action = "administrator-made" if administrator else "administrator-unmade"
                record(connection, now_ms, Event(by, action, details=details))
            if "suspended_at_ms" in values:
                record(connection, now_ms, Event(by, "suspended" if suspended else "unsuspended", details=details))
            return _person(connection, account_id)

        return await self._transactions.write(work)

    async def delete(self, account_id: str, by: Actor) -> Account:
        """End an account for good, with its sign-ins, tokens and roles. Its documents stay, without an owner; so does
        what it wrote, under an id that nobody is given again.

        Raises:
            PersonNotFound, LastAdministrator.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> Account:
            account = _person(connection, account_id)
            delete_account(connection, account.pk, administrator=account.administrator)
            details = {"person": account.id, "name": account.name}
            record(connection, now_ms, Event(by, "person-deleted", details=details))
            return account

        return await self._transactions.write(work)

    async def rename(self, account_pk: int, *, name: str, email: str | None) -> Account:
        """
        Raises:
            NameTaken.
        """
        values = {"name": name, "name_folded": fold(name), "email": email, "email_folded": email and fold(email)}

        def work(connection: Connection) -> Account:
            _require_free(connection, name, email, except_pk=account_pk)
            try:
                connection.execute(update(accounts).where(accounts.c.pk == account_pk).values(**values))
            except IntegrityError:
                raise NameTaken("somebody else has this name or e-mail address") from None
            return _account(connection.execute(select(accounts).where(accounts.c.pk == account_pk)).one())

        return await self._transactions.write(work)

    async def set_password(self, account_pk: int, password_hash: str, by: Actor, new: NewSignIn | None) -> None:
        """Change the password, end every sign-in, begin a new one."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            connection.execute(update(accounts).where(accounts.c.pk == account_pk).values(password_hash=password_hash))
            _end_sign_ins(connection, account_pk)
            if new is not None:
                _begin(connection, account_pk, new, now_ms)
            record(connection, now_ms, Event(by, "password-changed"))

        await self._transactions.write(work)

    async def upgrade_hash(self, account_pk: int, old: str, new: str) -> None:
        """Replace a hash by one of the same password, with the parameters of today."""
        statement = update(accounts).where(accounts.c.pk == account_pk, accounts.c.password_hash == old)
        await self._transactions.write(lambda connection: connection.execute(statement.values(password_hash=new)))

    # -- sign-ins --------------------

    async def begin(self, account: Account, new: NewSignIn, by: Actor, *, replaces: str | None, how: str) -> None:
        """Sign somebody in; the sign-in that the browser had before ends with it."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            if replaces is not None:
                connection.execute(delete(sign_ins).where(sign_ins.c.digest == replaces))
            _begin(connection, account.pk, new, now_ms)
            record(connection, now_ms, Event(by, "sign-in", details={"with": how}))

        await self._transactions.write(work)

    async def begin_guest(self, new: NewSignIn) -> Account:
        """Somebody without an account who came by a link: an account without a way to sign in again."""
        account_id, now_ms = new_account_id(), self._now_ms()

        def work(connection: Connection) -> Account:
            account = _create(connection, account_id, NewAccount("Guest"), now_ms, guest=True)
            _begin(connection, account.pk, new, now_ms)
            return account

        return await self._transactions.write(work)

    async def signed_in(self, digest: str) -> tuple[Account, SignIn] | None:
        """Who is signed in with the secret of this digest."""
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: signed_in(connection, digest, now_ms))

    async def sign_ins(self, account_pk: int) -> list[SignIn]:
        statement = (
            select(sign_ins)
            .where(sign_ins.c.account_pk == account_pk, sign_ins.c.expires_at_ms > self._now_ms())
            .order_by(sign_ins.c.pk.desc())
        )
        return await self._transactions.read(
            lambda connection: [_sign_in(row) for row in connection.execute(statement)]
        )

    async def end(self, account_pk: int, sign_in_id: int, by: Actor) -> None:
        """
        Raises:
            EntryNotFound: there is none, or it is somebody else's.
        """
        chosen = delete(sign_ins).where(sign_ins.c.account_pk == account_pk, sign_ins.c.pk == sign_in_id)
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            if connection.execute(chosen).rowcount == 0:
                raise EntryNotFound("there is no such sign-in")
            record(connection, now_ms, Event(by, "sign-out"))

        await self._transactions.write(work)

    async def end_all(self, account_id: str, by: Actor) -> Account:
        """Sign somebody out everywhere.

        Raises:
            PersonNotFound.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> Account:
            account = _person(connection, account_id)
            _end_sign_ins(connection, account.pk)
            details = {"person": account.id, "name": account.name}
            record(connection, now_ms, Event(by, "sign-out-everywhere", details=details))
            return account

        return await self._transactions.write(work)

    async def touch(self, sign_in_ids: set[int]) -> None:
        """They were used just now. What has expired is removed on this occasion."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            connection.execute(update(sign_ins).where(sign_ins.c.pk.in_(sign_in_ids)).values(used_at_ms=now_ms))
            connection.execute(delete(sign_ins).where(sign_ins.c.expires_at_ms <= now_ms))
            connection.execute(delete(invitations).where(invitations.c.expires_at_ms <= now_ms))

        await self._transactions.write(work)

    # -- links --------------------

    async def invite(self, new: NewInvitation, by: Actor) -> Invitation:
        now_ms = self._now_ms()

        def work(connection: Connection) -> Invitation:
            _invite(connection, INVITATION, new, now_ms, by)
            details = {"name": new.name, "email": new.email, "administrator": new.administrator}
            record(connection, now_ms, Event(by, "invited", details=details))
            return _invitation(connection.execute(_INVITATIONS.where(invitations.c.digest == new.digest)).one())

        return await self._transactions.write(work)

    async def first_run(self, new: NewInvitation) -> bool:
        """Make the link of the first administrator, in place of earlier ones. False: there is one already."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> bool:
            connection.execute(delete(invitations).where(invitations.c.kind == FIRST_RUN))
            if _has_administrator(connection):
                return False
            _invite(connection, FIRST_RUN, new, now_ms, Actor())
            return True

        return await self._transactions.write(work)

    async def password_link(self, account_id: str, new: NewInvitation, by: Actor) -> None:
        """Make a link by which somebody sets a new password, in place of earlier ones.

        Raises:
            PersonNotFound.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            account = _person(connection, account_id)
            connection.execute(delete(invitations).where(invitations.c.account_pk == account.pk))
            _invite(connection, PASSWORD, new, now_ms, by, account.pk)
            details = {"person": account.id, "name": account.name}
            record(connection, now_ms, Event(by, "password-link-made", details=details))

        await self._transactions.write(work)

    async def invitations(self) -> list[Invitation]:
        statement = _INVITATIONS.where(invitations.c.expires_at_ms > self._now_ms(), invitations.c.kind != FIRST_RUN)
        return await self._transactions.read(
            lambda connection: [_invitation(row) for row in connection.execute(statement.order_by(invitations.c.pk))]
        )

    async def withdraw(self, invitation_id: int, by: Actor) -> None:
        """
        Raises:
            EntryNotFound.
        """
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            if connection.execute(delete(invitations).where(invitations.c.pk == invitation_id)).rowcount == 0:
                raise EntryNotFound("there is no such invitation")
            record(connection, now_ms, Event(by, "invitation-withdrawn"))

        await self._transactions.write(work)

    async def open_invitation(self, digest: str) -> Invitation:
        """
        Raises:
            LinkNotValid.
        """
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: _open(connection, digest, now_ms)[0])

    async def accept(
        self,
        digest: str,
        password_hash: str,
        new_sign_in: NewSignIn,
        address: str | None,
        *,
        name: str,
        email: str | None,
    ) -> Account:
        """Use a link up: make its account, or set its account's password. Signs in.

        Raises:
            LinkNotValid, NameTaken.
        """
        account_id, now_ms = new_account_id(), self._now_ms()

        def work(connection: Connection) -> Account:
            invitation, account_pk = _open(connection, digest, now_ms)
            if connection.execute(delete(invitations).where(invitations.c.digest == digest)).rowcount == 0:
                raise _not_valid()
            if account_pk is None:
                new = NewAccount(name, email, password_hash, administrator=invitation.administrator)
                account = _create(connection, account_id, new, now_ms)
            else:
                change = update(accounts).where(accounts.c.pk == account_pk)
                connection.execute(change.values(password_hash=password_hash))
                _end_sign_ins(connection, account_pk)
                account = _account(connection.execute(select(accounts).where(accounts.c.pk == account_pk)).one())
                if account.suspended_at_ms is not None:
                    raise _not_valid()
            _begin(connection, account.pk, new_sign_in, now_ms)
            by = Actor(account.id, account.name, address)
            record(
                connection,
                now_ms,
                Event(by, f"{invitation.kind}-accepted"),
                Event(by, "sign-in", details={"with": "link"}),
            )
            return account

        return await self._transactions.write(work)

    # -- single sign-on --------------------

    async def link_subject(self, account_pk: int, subject: str) -> bool:
        """From now on this subject is that account. False: the account is another subject's already."""
        chosen = update(accounts).where(
            accounts.c.pk == account_pk, or_(accounts.c.oidc_subject.is_(None), accounts.c.oidc_subject == subject)
        )
        return await self._transactions.write(
            lambda connection: connection.execute(chosen.values(oidc_subject=subject)).rowcount == 1
        )

    async def find_by_subject(self, subject: str) -> Account | None:
        statement = select(accounts).where(accounts.c.oidc_subject == subject)
        row = await self._transactions.read(lambda connection: connection.execute(statement).one_or_none())
        return None if row is None else _account(row)


def signed_in(connection: Connection, digest: str, now_ms: int) -> tuple[Account, SignIn] | None:
    """Who is signed in with the secret of this digest, in the transaction of the caller."""
    statement = (
        select(accounts, *(column.label(f"sign_in_{column.name}") for column in sign_ins.c))
        .join(sign_ins, sign_ins.c.account_pk == accounts.c.pk)
        .where(sign_ins.c.digest == digest, sign_ins.c.expires_at_ms > now_ms, accounts.c.suspended_at_ms.is_(None))
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    prefix = "sign_in_"
    return _account(row), SignIn(
        id=row.sign_in_pk, **{name: getattr(row, prefix + name) for name in SignIn.__slots__ if name != "id"}
    )


def account_by_pk(connection: Connection, account_pk: int) -> Account | None:
    row = connection.execute(select(accounts).where(accounts.c.pk == account_pk)).one_or_none()
    return None if row is None else _account(row)


def account_pk_of(connection: Connection, actor: Actor) -> int | None:
    if actor.user_id is None:
        return None
    return connection.scalar(select(accounts.c.pk).where(accounts.c.id == actor.user_id))


def person(connection: Connection, account_id: str) -> Account:
    """
    Raises:
        PersonNotFound.
    """
    return _person(connection, account_id)


def _people() -> Select[Any]:
    return select(accounts).where(~accounts.c.guest).order_by(accounts.c.name_folded)


def _contains(connection: Connection, column: ColumnElement[Any], folded: str) -> ColumnElement[bool]:
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return position(column, folded) > 0


def delete_account(connection: Connection, account_pk: int, *, administrator: bool) -> None:
    """`SqlAccounts.delete`, in the transaction of the caller.

    Raises:
        LastAdministrator.
    """
    for table in (sign_ins, tokens, invitations, grants, link_holders):
        connection.execute(delete(table).where(table.c.account_pk == account_pk))
    author = (
        select(people.c.pk).join(accounts, accounts.c.id == people.c.external_id).where(accounts.c.pk == account_pk)
    )
    connection.execute(delete(stars).where(stars.c.person_pk.in_(author)))
    for table, column in ((invitations, "invited_by_pk"), (share_links, "created_by_pk")):
        connection.execute(update(table).where(table.c[column] == account_pk).values({column: None}))
    connection.execute(delete(accounts).where(accounts.c.pk == account_pk))
    if administrator and not _has_administrator(connection):
        raise LastAdministrator("somebody has to be an administrator")


def _person(connection: Connection, account_id: str) -> Account:
    row = None
    if is_findable(account_id):
        row = connection.execute(select(accounts).where(accounts.c.id == account_id, ~accounts.c.guest)).one_or_none()
    if row is None:
        raise PersonNotFound("there is nobody with this id")
    return _account(row)


def _has_administrator(connection: Connection) -> bool:
    chosen = select(accounts.c.pk).where(accounts.c.administrator, accounts.c.suspended_at_ms.is_(None))
    return connection.execute(chosen.limit(1)).first() is not None


def _require_free(connection: Connection, name: str, email: str | None, *, except_pk: int = 0) -> None:
    def taken(condition: ColumnElement[bool]) -> bool:
        statement = select(accounts.c.pk).where(condition, accounts.c.pk != except_pk)
        return connection.execute(statement).first() is not None

    if taken(accounts.c.name_folded == fold(name)):
        raise NameTaken("somebody else has this name", "name")
    if email is not None and taken(accounts.c.email_folded == fold(email)):
        raise NameTaken("somebody else has this e-mail address", "email")


def _create(connection: Connection, account_id: str, new: NewAccount, now_ms: int, *, guest: bool = False) -> Account:
    values = {
        "id": account_id,
        "name": new.name,
        "name_folded": None if guest else fold(new.name),
        "email": new.email,
        "email_folded": new.email and fold(new.email),
        "password_hash": new.password_hash,
        "oidc_subject": new.oidc_subject,
        "administrator": new.administrator,
        "guest": guest,
        "created_at_ms": now_ms,
    }
    connection.execute(insert(connection, accounts).on_conflict_do_nothing(), values)
    # The id is ours alone, also when a lost transaction is tried again.
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
    if row is None:
        _require_free(connection, new.name, new.email)
        raise NameTaken("this sign-in belongs to somebody already")
    return _account(row)


def _begin(connection: Connection, account_pk: int, new: NewSignIn, now_ms: int) -> None:
    values = {
        "digest": new.digest,
        "account_pk": account_pk,
        "created_at_ms": now_ms,
        "used_at_ms": now_ms,
        "expires_at_ms": new.expires_at_ms,
        "address": new.address,
        "agent": new.agent,
    }
    connection.execute(insert(connection, sign_ins).on_conflict_do_nothing(index_elements=["digest"]), values)
    connection.execute(update(accounts).where(accounts.c.pk == account_pk).values(signed_in_at_ms=now_ms))


def _end_sign_ins(connection: Connection, account_pk: int) -> None:
    connection.execute(delete(sign_ins).where(sign_ins.c.account_pk == account_pk))


def _invite(
    connection: Connection,
    kind: str,
    new: NewInvitation,
    now_ms: int,
    by: Actor,
    account_pk: int | None = None,
) -> None:
    values = {
        "digest": new.digest,
        "kind": kind,
        "name": new.name,
        "email": new.email,
        "administrator": new.administrator,
        "account_pk": account_pk,
        "invited_by_pk": account_pk_of(connection, by),
        "created_at_ms": now_ms,
        "expires_at_ms": new.expires_at_ms,
    }
    connection.execute(insert(connection, invitations).on_conflict_do_nothing(index_elements=["digest"]), values)


_inviters = accounts.alias("inviters")
_INVITATIONS = select(
    invitations,
    _inviters.c.name.label("invited_by"),
    accounts.c.name.label("account_name"),
    accounts.c.email.label("account_email"),
).select_from(
    invitations.outerjoin(_inviters, _inviters.c.pk == invitations.c.invited_by_pk).outerjoin(
        accounts, accounts.c.pk == invitations.c.account_pk
    )
)


def _open(connection: Connection, digest: str, now_ms: int) -> tuple[Invitation, int | None]:
    statement = _INVITATIONS.where(invitations.c.digest == digest, invitations.c.expires_at_ms > now_ms)
    row = connection.execute(statement).one_or_none()
    if row is None or (row.kind == FIRST_RUN and _has_administrator(connection)):
        raise _not_valid()
    return _invitation(row), row.account_pk


def _not_valid() -> LinkNotValid:
    return LinkNotValid("this link does not work: it was used, has expired or was withdrawn")


def _account(row: Row[Any]) -> Account:
    return Account(
        pk=row.pk,
        id=row.id,
        name=row.name,
        email=row.email,
        administrator=row.administrator,
        guest=row.guest,
        has_password=row.password_hash is not None,
        created_at_ms=row.created_at_ms,
        signed_in_at_ms=row.signed_in_at_ms,
        suspended_at_ms=row.suspended_at_ms,
    )


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(row.pk, row.created_at_ms, row.used_at_ms, row.expires_at_ms, row.address, row.agent)


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.pk,
        kind=row.kind,
        name=row.account_name if row.account_pk is not None else row.name,
        email=row.account_email if row.account_pk is not None else row.email,
        administrator=row.administrator,
        invited_by=row.invited_by,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
    )
