"""People, roles, links, tokens and the audit log, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from collab.types import Role, parse_document_id
from storage.access import Claim
from storage.accounts import FIRST_RUN, Account, NewAccount, NewInvitation, NewSignIn
from storage.audit_log import Actor, Event, Filter
from storage.credentials import NewToken
from storage.documents import Choice
from storage.engine import Database
from storage.errors import (
    DocumentExists,
    EntryNotFound,
    LastAdministrator,
    LinkNotValid,
    NameTaken,
    OwnerStays,
    PersonNotFound,
)

NOW = 1_800_000_000_000
LATER = NOW + 1000
PLANS = parse_document_id("plans")
ADA = Actor("u-ada", "Ada", "192.0.2.1")


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(url: str, clock: Clock) -> AsyncIterator[Database]:
    async with await Database.open(url, now_ms=clock) as database:
        yield database


async def person(database: Database, name: str, **values: Any) -> Account:
    return await database.accounts.create(NewAccount(name, **values), Actor())


def sign_in(digest: str, expires_at_ms: int = LATER) -> NewSignIn:
    return NewSignIn(digest, expires_at_ms, "192.0.2.1", "a browser")


@pytest.mark.rule("P1")
async def test_a_name_belongs_to_one_person_whatever_its_case(database: Database) -> None:
    ada = await person(database, "Ada", email="ada@example.com")
    for taken in (NewAccount("ADA"), NewAccount("Other", email="ADA@example.com")):
        with pytest.raises(NameTaken):
            await database.accounts.create(taken, Actor())
    bob = await person(database, "Bob")
    with pytest.raises(NameTaken) as caught:
        await database.accounts.rename(bob.pk, name="Bob", email="ada@EXAMPLE.com")
    assert caught.value.field == "email"
    for login in ("ada", "ADA ", "Ada@Example.com"):
        found = await database.accounts.find_by_login(login)
        assert found is not None
        assert found[0] == ada


@pytest.mark.rule("P2")
async def test_a_link_works_once_until_it_expires(database: Database, clock: Clock) -> None:
    assert await database.accounts.first_run(NewInvitation("earlier", LATER, administrator=True))
    assert await database.accounts.first_run(NewInvitation("first", LATER, administrator=True))
    for digest in ("earlier", "unknown"):
        with pytest.raises(LinkNotValid):
            await database.accounts.open_invitation(digest)
    assert (await database.accounts.open_invitation("first")).kind == FIRST_RUN
    ada = await database.accounts.accept("first", "hash", sign_in("s1"), None, name="Ada", email=None)
    assert ada.administrator
    with pytest.raises(LinkNotValid):
        await database.accounts.accept("first", "hash", sign_in("s2"), None, name="Eve", email=None)
    assert not await database.accounts.first_run(NewInvitation("again", LATER, administrator=True))
    await database.accounts.invite(NewInvitation("late", LATER), ADA)
    clock.now = LATER
    with pytest.raises(LinkNotValid):
        await database.accounts.open_invitation("late")


@pytest.mark.rule("P3")
async def test_the_last_administrator_stays(database: Database) -> None:
    ada = await person(database, "Ada", administrator=True)
    for change in ({"administrator": False}, {"suspended": True}):
        with pytest.raises(LastAdministrator):
            await database.accounts.change(ada.id, ADA, **change)
    with pytest.raises(LastAdministrator):
        await database.accounts.delete(ada.id, ADA)
    assert await database.accounts.find(ada.id) == ada
    await person(database, "Bob", administrator=True)
    assert (await database.accounts.change(ada.id, ADA, suspended=True)).suspended_at_ms == NOW


@pytest.mark.rule("P4")
async def test_a_new_password_a_suspension_and_signing_out_everywhere_end_sign_ins(database: Database) -> None:
    bob = await person(database, "Bob")

    async def signed_in(digest: str) -> bool:
        return await database.accounts.signed_in(digest) is not None

    await database.accounts.begin(bob, sign_in("one"), ADA, replaces=None, how="password")
    await database.accounts.begin(bob, sign_in("two"), ADA, replaces="one", how="password")
    assert [await signed_in(digest) for digest in ("one", "two")] == [False, True]
    await database.accounts.set_password(bob.pk, "hash", ADA, sign_in("three"))
    assert [await signed_in(digest) for digest in ("two", "three")] == [False, True]
    await database.accounts.end_all(bob.id, ADA)
    assert not await signed_in("three")
    await database.accounts.begin(bob, sign_in("four"), ADA, replaces=None, how="password")
    await database.accounts.change(bob.id, ADA, suspended=True)
    await database.accounts.change(bob.id, ADA, suspended=False)
    assert not await signed_in("four")


async def test_a_deleted_person_is_gone_and_their_documents_stay(database: Database) -> None:
    ada, bob = await person(database, "Ada", administrator=True), await person(database, "Bob")
    await database.accounts.begin(bob, sign_in("one"), ADA, replaces=None, how="password")
    await database.accounts.invite(NewInvitation("guest", LATER), Actor(bob.id, bob.name))
    await database.accounts.password_link(bob.id, NewInvitation("password", LATER), ADA)
    token = NewToken("token", "script", {"*": Role.OWNER}, None, bob.pk, "Bob")
    await database.credentials.create_token(token, ADA)
    await database.sharing.create_document(PLANS, "Plans", bob, Actor(bob.id, bob.name))
    await database.sharing.create_link(PLANS, "link", Role.READER, None, Actor(bob.id, bob.name))

    await database.accounts.delete(bob.id, ADA)
    assert await database.accounts.signed_in("one") is None
    assert await database.accounts.find_by_login("Bob") is None
    with pytest.raises(PersonNotFound):
        await database.accounts.find(bob.id)
    with pytest.raises(LinkNotValid):
        await database.accounts.open_invitation("password")
    assert (await database.accounts.open_invitation("guest")).invited_by is None
    (listed,) = await database.sharing.page(ada, everything=True, choice=Choice(), limit=9)
    assert (listed.info.id, listed.owner, listed.role) == (PLANS, None, Role.OWNER)
    assert (await person(database, "Bob")).id != bob.id, "whoever takes the name is somebody else"


async def test_a_sign_in_ends_by_itself(database: Database, clock: Clock) -> None:
    bob = await person(database, "Bob")
    await database.accounts.begin(bob, sign_in("one"), ADA, replaces=None, how="password")
    clock.now = LATER
    assert await database.accounts.signed_in("one") is None
    await database.accounts.touch({1})
    assert await database.accounts.sign_ins(bob.pk) == []


async def test_somebody_elses_sign_in_cannot_be_ended(database: Database) -> None:
    ada, bob = await person(database, "Ada"), await person(database, "Bob")
    await database.accounts.begin(ada, sign_in("one"), ADA, replaces=None, how="password")
    (found,) = await database.accounts.sign_ins(ada.pk)
    with pytest.raises(EntryNotFound):
        await database.accounts.end(bob.pk, found.id, ADA)


@pytest.mark.rule("G1")
async def test_a_document_has_one_owner(database: Database) -> None:
    ada, bob = await person(database, "Ada"), await person(database, "Bob")
    await database.sharing.create_document(PLANS, "Plans", ada, ADA)
    with pytest.raises(DocumentExists):
        await database.sharing.create_document(PLANS, "Mine", bob, ADA)
    for change in (database.sharing.give(PLANS, ada.id, Role.READER, ADA), database.sharing.take(PLANS, ada.id, ADA)):
        with pytest.raises(OwnerStays):
            await change
    with pytest.raises(PersonNotFound):
        await database.sharing.transfer(PLANS, "nobody", ADA)
    sharing = await database.sharing.transfer(PLANS, bob.id, ADA)
    assert [(each.name, role) for each, role in sharing.people] == [("Bob", Role.OWNER), ("Ada", Role.EDITOR)]
    owner = await database.sharing.owner(PLANS)
    assert owner is not None
    assert owner.id == bob.id


@pytest.mark.rule("G2")
async def test_the_highest_role_counts(database: Database, clock: Clock) -> None:
    ada, bob = await person(database, "Ada"), await person(database, "Bob")
    guest = await database.accounts.begin_guest(sign_in("guest"))
    await database.sharing.create_document(PLANS, "Plans", ada, ADA)

    async def roles() -> list[Role | None]:
        return [(await database.sharing.standing(who, PLANS)).role for who in (ada, bob, guest, None)]

    assert await roles() == [Role.OWNER, None, None, None]
    await database.sharing.set_general(PLANS, "signed-in", Role.READER, ADA)
    assert await roles() == [Role.OWNER, Role.READER, None, None]
    await database.sharing.set_general(PLANS, "anyone", Role.READER, ADA)
    assert await roles() == [Role.OWNER, Role.READER, Role.READER, Role.READER]
    link = await database.sharing.create_link(PLANS, "link", Role.EDITOR, LATER, ADA)
    for who in (bob, guest):
        await database.sharing.hold_link("link", who, ADA)
    assert await roles() == [Role.OWNER, Role.EDITOR, Role.EDITOR, Role.READER]
    assert (await database.sharing.standing(bob, PLANS)).until_ms == LATER
    await database.sharing.give(PLANS, bob.id, Role.COMMENTER, ADA)
    clock.now = LATER
    assert await roles() == [Role.OWNER, Role.COMMENTER, Role.READER, Role.READER]
    await database.sharing.revoke_link(PLANS, link.id, ADA)
    await database.sharing.set_general(PLANS, "invited", None, ADA)
    assert await roles() == [Role.OWNER, Role.COMMENTER, None, None]
    await database.sharing.take(PLANS, bob.id, ADA)
    assert await roles() == [Role.OWNER, None, None, None]


async def test_a_list_has_what_somebody_may_see(database: Database) -> None:
    ada = await person(database, "Ada", administrator=True)
    bob = await person(database, "Bob")
    for name, owner in (("a", ada), ("b", bob), ("c", ada), ("d", ada), ("e", ada)):
        await database.sharing.create_document(parse_document_id(name), "", owner, ADA)
    await database.sharing.give(parse_document_id("c"), bob.id, Role.READER, ADA)
    await database.sharing.set_general(parse_document_id("d"), "signed-in", Role.EDITOR, ADA)
    await database.sharing.set_general(parse_document_id("e"), "anyone", Role.EDITOR, ADA)

    async def listed(
        who: Account, *, limit: int = 10, everything: bool = False, **choice: Any
    ) -> list[tuple[str, Role]]:
        shared = choice.pop("shared", False)
        page = await database.sharing.page(
            who, everything=everything, choice=Choice(**choice), shared=shared, limit=limit
        )
        return [(each.info.id, each.role) for each in page]

    assert await listed(bob) == [("b", Role.OWNER), ("c", Role.READER), ("d", Role.EDITOR)]
    assert [name for name, _ in await listed(ada, everything=True)] == ["a", "b", "c", "d", "e"]
    assert await listed(bob, after="b", limit=1) == [("c", Role.READER)]
    assert await listed(bob, shared=True) == [("c", Role.READER), ("d", Role.EDITOR)]
    await database.documents.delete(parse_document_id("b"))
    await database.documents.delete(parse_document_id("c"))
    assert await listed(bob, deleted=True) == [("b", Role.OWNER)]


async def test_open_connections_are_looked_at_together(database: Database, clock: Clock) -> None:
    ada, bob = await person(database, "Ada"), await person(database, "Bob")
    await database.sharing.create_document(PLANS, "", ada, ADA)
    await database.accounts.begin(ada, sign_in("ada"), ADA, replaces=None, how="password")
    token = await database.credentials.create_token(
        NewToken("token", "t", {"*": Role.READER}, LATER, bob.pk, "Bob"), ADA
    )
    claims = [Claim(PLANS, sign_in="ada"), Claim(PLANS, token="token"), Claim(PLANS), Claim(PLANS, sign_in="gone")]
    found = await database.access.look(claims)
    assert [None if each is None else each.standing.role for each in found] == [Role.OWNER, None, None, None]
    assert found[1] is not None
    assert found[1].token == token
    assert found[3] is None
    await database.accounts.change(bob.id, ADA, suspended=True)
    assert (await database.access.look(claims))[1] is None
    await database.accounts.change(bob.id, ADA, suspended=False)
    clock.now = LATER
    assert (await database.access.look(claims))[:2] == [None, None]


async def test_a_ticket_works_once_and_not_for_long(database: Database, clock: Clock) -> None:
    for digest in ("one", "two"):
        await database.credentials.create_ticket(digest, PLANS, {"sign_in": "s"}, LATER)
    assert await database.credentials.use_ticket("one") == (PLANS, {"sign_in": "s"})
    assert await database.credentials.use_ticket("one") is None
    clock.now = LATER
    assert await database.credentials.use_ticket("two") is None


async def test_servers_of_one_database_share_a_key_and_learn_of_changes(database: Database) -> None:
    assert await database.credentials.key() == await database.credentials.key()
    assert await database.credentials.version() == ""
    for version in ("a", "b"):
        await database.credentials.set_version(version)
        assert await database.credentials.version() == version


async def test_the_audit_log_is_read_from_its_end_and_taken_away_from_its_beginning(database: Database) -> None:
    await database.audit.write([Event(ADA, "refused", f"document-{n}", {"n": n}) for n in range(1200)])
    await database.audit.write([Event(Actor(), "sign-in", None, {"odd": "\u0000\ud800 text"})])
    page = await database.audit.page(Filter(), before=None, limit=2)
    assert [entry.action for entry in page] == ["sign-in", "refused"]
    assert [entry.document for entry in await database.audit.page(Filter(), before=page[-1].id, limit=1)] == [
        "document-1198"
    ]
    exported = [entry async for entry in database.audit.export(Filter(action="refused"))]
    assert [entry.details["n"] for entry in exported] == list(range(1200))
    (one,) = await database.audit.page(Filter(document="document-7", user_id="u-ada"), before=None, limit=9)
    assert (one.user_name, one.address) == ("Ada", "192.0.2.1")


@pytest.mark.rule("A1")
async def test_what_changes_rights_is_recorded_with_the_change(database: Database) -> None:
    ada, bob = await person(database, "Ada"), await person(database, "Bob")
    await database.sharing.create_document(PLANS, "", ada, ADA)
    with pytest.raises(OwnerStays):
        await database.sharing.take(PLANS, ada.id, ADA)
    await database.sharing.give(PLANS, bob.id, Role.EDITOR, ADA)
    entries = [entry async for entry in database.audit.export(Filter(document=PLANS))]
    assert [(entry.action, entry.details) for entry in entries] == [
        ("document-created", {}),
        ("role-given", {"person": bob.id, "role": "editor"}),
    ]
