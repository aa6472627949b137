"""Who may be in a document, over real sockets of a real server with accounts; by row of the list of threats."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pycrdt import Array
from websockets.exceptions import InvalidStatus

from tests.e2e import wire
from tests.e2e.feed import read_all
from tests.e2e.people import CHEAP, PASSWORD, Person, administrator_of, invited
from tests.e2e.raw_client import RawClient
from tests.e2e.raw_dialects import RawParty, RawSweet
from tests.e2e.raw_provider import STATELESS, RawProvider, token_message, varstring
from tests.e2e.replica import append, items_of
from tests.postgres import fresh_database
from tests.servers import SECRETS, ServerProcess
from tests.support import almost, eventually
from tests.web.test_walk import MESSAGES

pytestmark = [pytest.mark.xdist_group("access"), pytest.mark.asyncio(loop_scope="module")]

ROLE = 103
HOCUSPOCUS = "Hocuspocus: "
SIGNED_OUT, FORBIDDEN, GONE, COME_BACK = 4401, 4403, 4404, 1012
BAD_ORIGINS = [
    "null",
    "",
    "*",
    "file://",
    "https://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}, http://127.0.0.1:{port}",
    "https://127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}",
    "ws://127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://LOCALHOST:{port}",
    "http://[::1]:{port}",
    "http://2130706433:{port}",
    "http://127.0.0.1:0{port}",
    "http://xn--127-0-0-1:{port}",
]


@dataclass
class House:
    """A server, its administrator, and two others."""

    server: ServerProcess
    ada: Person
    bob: Person
    eve: Person


@pytest.fixture(scope="module")
def access_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings: dict[str, Any] = CHEAP | {"auth": "accounts", "sign_ins_per_minute_max": 10_000, "recheck_seconds": 3600}
    with ServerProcess(tmp_path_factory.mktemp("access"), **settings) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(access_server: ServerProcess) -> AsyncIterator[House]:
    ada = await administrator_of(access_server)
    bob, eve = await invited(ada, "Bob"), await invited(ada, "Eve")
    yield House(access_server, ada, bob, eve)
    await Person.close_all()


async def refused(client: RawClient) -> int:
    """The status with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await client.connect()
    return caught.value.response.status_code


async def ends(client: RawClient, why: Awaitable[Any]) -> int | None:
    """The close code that follows `why`. Nothing but the event can be the cause: the regular look comes in an hour."""
    await why
    return await client.closed()


async def told_role(client: RawClient, role: str) -> None:
    def is_told() -> bool:
        told = [json.loads(message.payload)["role"] for message in client.received if message.kind == ROLE]
        return bool(told) and told[-1] == role

    await client.until(is_told, f"told that it is {role}")


async def ask_role(client: RawClient) -> None:
    await client.send(bytes((ROLE, 0)))


def refusals(client: RawClient) -> int:
    return sum(message.kind == wire.AUTH for message in client.received)


# -- row 1 ------------------------------------------------------------------------------------------------------------


async def test_1_cross_site_websocket_hijack(house: House) -> None:
    """A browser sends the cookie along with whatever page opens the socket: the origin decides, at the handshake."""
    document = await house.ada.create()
    port = house.server.port
    for origin in BAD_ORIGINS:
        assert await refused(house.ada.client(document, origin=origin.format(port=port))) == 403, origin
    without = house.ada.client(document)
    del without.headers["origin"]
    assert await refused(without) == 403
    async with house.ada.client(document) as own:
        assert own.close_code is None


async def test_1_a_cookie_alone_changes_nothing(house: House) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": ""}, {"origin": "null"}):
        response = await house.ada.http.post("/api/documents", json={}, headers=headers)
        assert response.status_code == 403
        assert response.json()["code"] == "wrong-origin"


# -- row 3 ------------------------------------------------------------------------------------------------------------


async def test_3_a_ticket_opens_one_socket_once(house: House) -> None:
    document, other = await house.ada.create(), await house.ada.create()
    ticket = (await house.ada.call("POST", "/api/tickets", 201, {"document": document}))["ticket"]
    async with RawClient(house.server, document, token=ticket) as client:
        await client.edit(append("by ticket"))
        await client.saved()
        assert await refused(RawClient(house.server, document, token=ticket)) == 401
    ticket = (await house.ada.call("POST", "/api/tickets", 201, {"document": document}))["ticket"]
    assert await refused(RawClient(house.server, other, token=ticket)) == 403
    assert (await house.ada.http.get("/api/me", headers={"authorization": f"Bearer {ticket}"})).status_code == 401


async def test_3_a_token_in_the_address_is_in_no_log(house: House) -> None:
    document = await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "editor"}})
    async with RawClient(house.server, document, token=made["token"]):
        pass
    await refused(RawClient(house.server, document, token=almost(made["token"])))
    await refused(RawClient(house.server, document, token="swordfish"))
    assert "swordfish" not in house.server.log.read_text()
    # Every server of the suite is checked so when it ends; here the check itself is.
    house.server.check_no_secrets()
    with house.server.log.open("a") as log:
        log.write(f"?token={made['token']}\n")
    with pytest.raises(AssertionError, match="holds secrets"):
        house.server.check_no_secrets()
    log_text = house.server.log.read_text()
    house.server.log.write_text(log_text.replace(made["token"], "-"))


# -- row 4 ------------------------------------------------------------------------------------------------------------


async def test_4_a_role_that_is_taken_ends_the_connection(house: House) -> None:
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "editor")
    async with house.bob.client(document) as bob:
        path = f"/api/documents/{document}/sharing/people/{house.bob.id}"
        assert await ends(bob, house.ada.call("DELETE", path, 200)) == FORBIDDEN
    assert await refused(house.bob.client(document)) == 403


async def test_4_demotion_and_promotion_keep_the_connection(house: House) -> None:
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "editor")
    async with house.ada.client(document) as ada, house.bob.client(document) as bob:
        await ask_role(bob)
        await told_role(bob, "editor")
        await bob.edit(append("as editor"))
        await bob.saved()
        await house.ada.give(document, house.bob, "reader")
        await told_role(bob, "reader")
        assert refusals(bob) == 1, "a stock client is told in its own words"
        await house.ada.give(document, house.bob, "editor")
        await told_role(bob, "editor")
        await bob.edit(append("as editor again"))
        await bob.saved()
        await ada.until(lambda: items_of(ada.doc) == ["as editor", "as editor again"], "told of both")


async def test_4_promotion_brings_what_was_refused(house: House) -> None:
    """The copy of somebody who typed as a reader holds edits that nobody has; nothing may be called saved before they
    are here, so the connection is renewed."""
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "reader")
    async with house.ada.client(document) as ada, house.bob.client(document) as bob:
        await bob.edit(append("too early"))
        await bob.until(lambda: refusals(bob) == 1, "told that it was refused")
        await bob.ask_saved()
        assert await ends(bob, house.ada.give(document, house.bob, "editor")) == COME_BACK
        assert bob.acknowledged == 0
        await bob.connect()
        await bob.saved()
        await ada.until(lambda: items_of(ada.doc) == ["too early"], "told of it")


async def test_4_signing_out_ends_connections(house: House) -> None:
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "reader")
    elsewhere = await Person.at(house.server).sign_in("Bob")
    async with elsewhere.client(document) as away, house.bob.client(document) as here:
        assert await ends(away, elsewhere.call("POST", "/api/sign-out", 204)) == SIGNED_OUT
        await here.sync()
    assert await refused(elsewhere.client(document)) == 401


async def test_4_suspension_ends_connections_and_tokens(house: House) -> None:
    document = await house.ada.create()
    mallory = await invited(house.ada, f"Mallory {secrets.token_hex(3)}")
    await house.ada.give(document, mallory, "editor")
    made = await mallory.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {"*": "editor"}})
    token = RawClient(house.server, document, token=made["token"])
    async with mallory.client(document) as cookie, token:
        change = house.ada.call("PATCH", f"/api/admin/people/{mallory.id}", 200, {"suspended": True})
        assert await ends(cookie, change) == SIGNED_OUT
        assert await token.closed() == SIGNED_OUT
    assert await refused(RawClient(house.server, document, token=made["token"])) == 401
    body = {"name": mallory.name, "password": PASSWORD}
    assert (await mallory.call("POST", "/api/sign-in", 403, body))["code"] == "suspended"
    assert (await mallory.call("POST", "/api/sign-in", 401, body | {"password": "no"}))["code"] == "wrong-credentials"


async def test_4_a_revoked_token_ends_its_connections(house: House) -> None:
    document = await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "reader"}})
    async with RawClient(house.server, document, token=made["token"]) as client:
        await client.edit(append("a token that reads does not write"))
        await client.until(lambda: refusals(client) == 1, "told so")
        assert await ends(client, house.ada.call("DELETE", f"/api/me/tokens/{made['id']}", 204)) == SIGNED_OUT


async def test_4_a_token_that_expires_ends_its_connections_by_itself(house: House) -> None:
    document = await house.ada.create()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    body = {"label": "t", "documents": {document: "reader"}, "expires_at": soon}
    made = await house.ada.call("POST", "/api/me/tokens", 201, body)
    async with RawClient(house.server, document, token=made["token"]) as client:
        assert await client.closed() == SIGNED_OUT


async def test_4_a_revoked_link_ends_the_connections_of_those_who_came_by_it(house: House) -> None:
    document = await house.ada.create()
    made = await house.ada.call("POST", f"/api/documents/{document}/sharing/links", 201, {"role": "reader"})
    guest = Person.at(house.server)
    secret = made["url"].partition("#key=")[2]
    opened = await guest.call("POST", "/api/links/open", 200, {"secret": secret})
    assert (opened["document"], opened["role"], opened["person"]["guest"]) == (document, "reader", True)
    async with guest.client(document) as client:
        path = f"/api/documents/{document}/sharing/links/{made['link']['id']}"
        assert await ends(client, house.ada.call("DELETE", path, 200)) == FORBIDDEN
    await guest.call("POST", "/api/links/open", 404, {"secret": secret})


async def test_4_a_document_that_is_no_longer_open_to_everybody_is_closed_to_them(house: House) -> None:
    document = await house.ada.create()
    path = f"/api/documents/{document}/sharing/general"
    anybody = RawClient(house.server, document)
    assert await refused(anybody) == 401
    await house.ada.call("PUT", path, 200, {"who": "anyone", "role": "reader"})
    async with anybody, house.bob.client(document) as bob:
        change = house.ada.call("PUT", path, 200, {"who": "signed-in", "role": "reader"})
        assert await ends(anybody, change) == FORBIDDEN
        await bob.sync()
        assert await ends(bob, house.ada.call("PUT", path, 200, {"who": "invited"})) == FORBIDDEN


async def test_4_a_deleted_document_closes_its_connections(house: House) -> None:
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "editor")
    async with house.bob.client(document) as bob:
        assert await ends(bob, house.ada.call("DELETE", f"/api/documents/{document}", 204)) == GONE
    assert await refused(house.bob.client(document)) == 404


async def test_4_what_is_taken_away_on_one_server_is_gone_on_another_of_the_same_database(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A document in the bin stayed open on every server but the one that put it there."""
    settings: dict[str, Any] = CHEAP | {"auth": "accounts", "recheck_seconds": 3600}
    with fresh_database() as url, ServerProcess(tmp_path_factory.mktemp("one"), url, **settings) as one:
        ada = await administrator_of(one)
        bob = await invited(ada, "Bob")
        made = await bob.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {"*": "editor"}})
        deleted, shared = await ada.create(), await ada.create()
        for document in (deleted, shared):
            await ada.give(document, bob, "editor")
        with ServerProcess(tmp_path_factory.mktemp("another"), url, **settings) as another:
            gone, taken, revoked = (RawClient(another, each, token=made["token"]) for each in (deleted, shared, shared))
            cookie = {"cookie": f"coscribe-{another.port}={bob.cookie.partition('=')[2]}", "origin": another.url}
            taken.headers, taken.query = cookie, ""
            async with gone, taken, revoked:
                assert await ends(gone, ada.call("DELETE", f"/api/documents/{deleted}", 204)) == GONE
                assert await ends(revoked, bob.call("DELETE", f"/api/me/tokens/{made['id']}", 204)) == SIGNED_OUT
                path = f"/api/documents/{shared}/sharing/people/{bob.id}"
                assert await ends(taken, ada.call("DELETE", path, 200)) == FORBIDDEN


async def test_4_a_transferred_document_has_another_owner_at_once(house: House) -> None:
    document = await house.bob.create()
    async with house.eve.client(await house.eve.create()), house.bob.client(document) as bob:
        await ask_role(bob)
        await told_role(bob, "owner")
        path = f"/api/documents/{document}/sharing/owner"
        sharing = await house.bob.call("PUT", path, 200, {"person": house.eve.id})
        assert [(each["name"], each["role"]) for each in sharing["people"]] == [("Eve", "owner"), ("Bob", "editor")]
        await told_role(bob, "editor")
        await house.bob.call("PUT", path, 403, {"person": house.bob.id})


# -- row 5 and 8 ------------------------------------------------------------------------------------------------------

EDITS: dict[str, Callable[[bytes], bytes]] = {"update": wire.update, "sync step 2": wire.step2}


async def test_5_a_reader_sends_deletions_alone(house: House) -> None:
    """Made while away: the state vectors are equal, and only the delete set of the sync step 2 differs."""
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "reader")
    async with house.ada.client(document) as ada:
        await ada.edit(append("stays"))
        await ada.saved()
        bob = house.bob.client(document)
        async with bob:
            await bob.until(lambda: items_of(bob.doc) == ["stays"], "told what is there")
            await bob.sync()
            assert refusals(bob) == 0
        bob.change(lambda doc: doc.get("array", type=Array).clear())
        bob.received.clear()
        async with bob:
            await bob.until(lambda: refusals(bob) == 1, "told so")
        await ada.sync()
        assert items_of(ada.doc) == ["stays"]
        assert len(await read_all(house.ada.http, house.server, document)) == 1


@pytest.mark.parametrize("envelope", EDITS)
async def test_5_a_reader_sends_edits(house: House, envelope: str) -> None:
    """Not applied, not relayed, not stored, not acknowledged, told so, and not thrown out."""
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "reader")
    async with house.ada.client(document) as ada, house.bob.client(document) as bob:
        update = bob.change(append("a reader was here"))
        await bob.send(EDITS[envelope](update))
        await bob.ask_saved()
        await bob.until(lambda: refusals(bob) == 1, "told so")
        await ada.edit(append("an owner writes"))
        await ada.saved()
        await bob.until(lambda: "an owner writes" in items_of(bob.doc), "told what others write")
        assert items_of(ada.doc) == ["an owner writes"]
        assert bob.acknowledged == 0
        assert len(await read_all(house.ada.http, house.server, document)) == 1
    path = f"/api/documents/{document}/updates"
    answer = await house.bob.http.post(path, content=update, headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 403


async def test_8_a_reader_speaks_for_nobody_else(house: House) -> None:
    document = await house.ada.create()
    await house.ada.give(document, house.bob, "reader")
    async with house.ada.client(document) as ada, house.bob.client(document) as bob, house.ada.client(document) as eye:
        await ada.announce({"user": {"name": "Ada"}})
        await bob.until(lambda: bob.awareness.get(ada.doc.client_id) is not None, "told of Ada")
        await bob.announce({"user": {"name": "Bob"}})
        gone = [(ada.doc.client_id, 2**31, "null")]
        await bob.send(wire.awareness(gone))
        await bob.send(wire.awareness([(ada.doc.client_id, 2**31, json.dumps({"user": {"name": "Mallory"}}))]))
        await bob.sync()
        await eye.until(lambda: eye.awareness.get(bob.doc.client_id) is not None, "told of the reader, who is seen")
        assert eye.awareness[ada.doc.client_id] == {"user": {"name": "Ada"}}


# -- row 12 -----------------------------------------------------------------------------------------------------------


async def test_12_bad_tokens_from_one_address_disturb_nobody(house: House) -> None:
    """They are told why for a while, then 429; whoever has a right one gets in from the same address."""
    document = await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "editor"}})
    async with house.ada.client(document) as ada:
        statuses = set()
        for number in range(150):
            statuses.add(await refused(RawClient(house.server, document, token=f"cst_{number:048}")))
        assert statuses == {401, 429}
        async with RawClient(house.server, document, token=made["token"]) as other:
            await other.edit(append("in"))
            await ada.until(lambda: items_of(ada.doc) == ["in"], "told of it")
        await house.ada.call("GET", "/api/me", 200)


# -- row 20 -----------------------------------------------------------------------------------------------------------


async def test_20_a_sign_in_gets_a_secret_of_its_own(house: House, tmp_path: Path) -> None:
    """Session fixation: what the browser had before does not count afterwards, and is not what it gets."""
    browser = await Person.at(house.server).sign_in("Eve")
    before = browser.cookie
    await browser.sign_in("Eve")
    assert browser.cookie != before
    stale = Person.at(house.server)
    stale.http.headers["cookie"] = before
    assert (await stale.call("GET", "/api/me", 200))["person"] is None
    await browser.call("POST", "/api/me/password", 200, {"current": PASSWORD, "new": PASSWORD})
    assert (await browser.call("GET", "/api/me", 200))["person"]["name"] == "Eve"
    # The change ended the others.
    await house.eve.sign_in("Eve")


async def test_20_secrets_are_stored_as_hashes_only(house: House) -> None:
    document = await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "reader"}})
    link = await house.ada.call("POST", f"/api/documents/{document}/sharing/links", 201, {"role": "reader"})
    stored = b"".join(path.read_bytes() for path in house.server.data_dir.glob("coscribe.db*"))
    assert document.encode() in stored, "this looks into the right file"
    for secret in (made["token"], link["url"].partition("#key=")[2], house.ada.cookie.partition("=")[2], PASSWORD):
        assert secret.encode() not in stored


async def test_22_what_happened_is_in_the_audit_log_and_no_content_is(house: House) -> None:
    document = await house.ada.create()
    async with house.ada.client(document) as ada:
        await ada.edit(append("content that is nobody's business"))
        await ada.saved()
    await house.ada.call("DELETE", f"/api/documents/{document}", 204)
    await house.bob.call("GET", f"/api/documents/{document}", 403)
    entries = (await house.ada.call("GET", f"/api/admin/audit?document={document}", 200))["entries"]
    assert {entry["action"] for entry in entries} == {"document-created", "document-deleted", "refused"}
    assert {entry["person"]["name"] for entry in entries} == {"Ada", "Bob"}
    exported = (await house.ada.http.get("/api/admin/audit/export")).text
    lines = [json.loads(line) for line in exported.splitlines()]
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    assert "nobody's business" not in exported
    assert SECRETS.findall(exported) == []


async def test_12_so_many_sockets_of_one_person_and_no_more(house: House) -> None:
    document = await house.bob.create()
    clients: list[RawClient] = []
    try:
        for _ in range(50):
            clients.append(await house.bob.client(document).connect(sync=False))
        assert await refused(house.bob.client(document)) == 429
        async with house.ada.client(await house.ada.create()) as other:
            await other.sync()
    finally:
        for client in clients:
            await client.close()


# -- every message, every role ----------------------------------------------------------------------------------------


async def _seats(house: House) -> dict[str, tuple[str, Person]]:
    """A document, and for each role somebody who has it there."""
    document = await house.bob.create()
    seats = {"owner": (document, house.bob), "administrator": (document, house.ada)}
    for role in ("reader", "commenter", "editor"):
        person = await invited(house.ada, f"{role} {secrets.token_hex(3)}")
        await house.bob.give(document, person, role)
        seats[role] = (document, person)
    guest = Person.at(house.server)
    link = await house.bob.call("POST", f"/api/documents/{document}/sharing/links", 201, {"role": "reader"})
    await guest.call("POST", "/api/links/open", 200, {"secret": link["url"].partition("#key=")[2]})
    seats["guest"] = (document, guest)
    return seats


async def _works(client: RawClient, watcher: RawClient, message: str) -> bool:
    """Whether a message takes effect; the sync step behind it tells when it would have."""
    tag = secrets.token_hex(6)
    before = len(client.received)
    match message:
        case "sync step 1":
            await client.sync()
            return True
        case "sync step 2 with edits":
            await client.send(wire.step2(client.change(append(tag))))
        case "update":
            await client.send_update(client.change(append(tag)))
        case "awareness of oneself":
            await client.announce({"tag": tag}, clock=int(time.time() * 1000))
            await watcher.until(
                lambda: watcher.awareness.get(client.doc.client_id) == {"tag": tag}, "told who is there"
            )
            return True
        case "query awareness":
            await watcher.announce({"tag": tag})
            await client.until(lambda: watcher.doc.client_id in client.awareness, "told who is there")
            client.awareness.clear()
            await client.send(bytes((wire.QUERY_AWARENESS,)))
            await client.until(lambda: watcher.doc.client_id in client.awareness, "told again")
            return True
        case "acknowledgement request":
            asked = await client.ask_saved()
            # It waits for what this connection sent before to be committed: by when a later edit is, that was.
            await watcher.edit(append(tag))
            await watcher.saved()
            await client.sync()
            return client.acknowledged >= asked
        case "role request":
            await ask_role(client)
            await client.sync()
            return any(each.kind == ROLE for each in client.received[before:])
    await client.sync()
    # A busy room rests for up to 25 ms before it relays, and a sync step tells what is relayed.
    # The news of who is there goes out behind the edits.
    await watcher.announce({"tag": tag}, clock=int(time.time() * 1000))
    await watcher.until(lambda: watcher.awareness.get(watcher.doc.client_id) == {"tag": tag}, "everything relayed")
    return tag in items_of(watcher.doc)


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_2_every_message_takes_effect_by_the_table(house: House, by: str) -> None:
    wrong = []
    for who, (document, person) in (await _seats(house)).items():
        if by == "token" and who == "guest":
            continue
        # Acknowledgements end with the first refusal, so they are asked for first.
        own = [name for name in MESSAGES if ": " not in name]
        for message in sorted(own, key=lambda name: name != "acknowledgement request"):
            async with house.bob.client(document) as watcher, await _seated(house, document, person, by) as client:
                if await _works(client, watcher, message) != (who in MESSAGES[message]):
                    wrong.append(f"{message} of {who} by {by}")
    assert wrong == []


async def _seated(house: House, document: str, person: Person, by: str) -> RawClient:
    if by == "cookie":
        return person.client(document)
    made = await person.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {"*": "owner"}})
    return RawClient(house.server, document, token=made["token"])


def _provider(house: House, document: str, person: Person, token: str = "") -> RawProvider:
    headers = {} if token else {"cookie": person.cookie, "origin": house.server.url}
    return RawProvider(house.server, document, headers=headers, token=token)


async def _works_there(client: RawProvider, watcher: RawProvider, message: str) -> bool:
    """As `_works`, on a socket for many documents."""
    tag = secrets.token_hex(6)
    match message:
        case "token for a document":
            await client.until(lambda: bool(client.scopes or client.denials), "judged")
            return bool(client.scopes)
        case "stateless":
            await client.send(bytes((STATELESS,)) + varstring(tag))
            await client.sync()
            await watcher.sync()
            return tag in watcher.heard
        case "close a document":
            await client.announce({"tag": tag}, clock=int(time.time() * 1000))
            await watcher.until(lambda: client.doc.client_id in watcher.awareness, "told who is there")
            await client.send(b"\x07")
            await watcher.until(lambda: client.doc.client_id not in watcher.awareness, "told who has left")
            return client.goodbyes == []
    return await _works(client, watcher, message)


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_2_every_hocuspocus_message_takes_effect_by_the_table(house: House, by: str) -> None:
    wrong = []
    for who, (document, person) in (await _seats(house)).items():
        if by == "token" and who == "guest":
            continue
        token = ""
        if by == "token":
            body = {"label": "t", "documents": {"*": "owner"}}
            token = (await person.call("POST", "/api/me/tokens", 201, body))["token"]
        for message in [name for name in MESSAGES if name.startswith(HOCUSPOCUS)]:
            watcher, client = _provider(house, document, house.bob), _provider(house, document, person, token)
            async with watcher, client:
                if await _works_there(client, watcher, message.removeprefix(HOCUSPOCUS)) != (who in MESSAGES[message]):
                    wrong.append(f"{message} of {who} by {by}")
    assert wrong == []


@pytest.mark.parametrize("by", ["cookie", "token"])
@pytest.mark.parametrize("dialect", [RawSweet, RawParty])
async def test_2_every_message_of_further_dialects_takes_effect_by_the_table(
    house: House, by: str, dialect: type[RawSweet | RawParty]
) -> None:
    wrong = []
    prefix = "y-sweet: " if dialect is RawSweet else "y-partyserver: "
    for who, (document, person) in (await _seats(house)).items():
        if by == "token" and who == "guest":
            continue
        options: dict[str, Any] = {"headers": {"cookie": person.cookie, "origin": house.server.url}}
        if by == "token":
            body = {"label": "t", "documents": {"*": "owner"}}
            options = {"token": (await person.call("POST", "/api/me/tokens", 201, body))["token"]}
        # A version comes back until something is refused.
        own = [name.removeprefix(prefix) for name in MESSAGES if name.startswith(prefix)]
        for message in sorted(own, key=lambda name: name != "version"):
            watching = {"cookie": house.bob.cookie, "origin": house.server.url}
            client = dialect(house.server, document, **options)
            async with RawParty(house.server, document, headers=watching) as watcher, client:
                if await _works_in_dialect(client, watcher, message) != (who in MESSAGES[prefix + message]):
                    wrong.append(f"{message} of {who} by {by}")
    assert wrong == []


async def _works_in_dialect(client: RawClient, watcher: RawParty, message: str) -> bool:
    if message == "custom message":
        tag = secrets.token_hex(6)
        await client.send(f"__YPS:{tag}")
        await client.sync()
        await watcher.sync()
        return f"__YPS:{tag}" in watcher.heard
    return await _works(client, watcher, "acknowledgement request" if message == "version" else message)


async def test_2_a_hocuspocus_document_is_denied_to_whoever_has_no_role_in_it(house: House) -> None:
    """In the same words whether there is such a document or not; and the socket stays open for others."""
    document = await house.ada.create()
    stranger = _provider(house, document, house.eve)
    nobody = RawProvider(house.server, document, headers={"origin": house.server.url})
    for client in (stranger, nobody):
        await client.connect(sync=False)
        await client.until(lambda client=client: len(client.denials) == 1, "denied")  # type: ignore[misc]
        client.key = varstring("no-such-document")
        await client.send(token_message(""))
        await client.until(lambda client=client: len(client.denials) == 2, "denied")  # type: ignore[misc]
        assert client.denials[0] == client.denials[1]
        assert client.scopes == []
    own = await house.eve.create()
    stranger.key = varstring(own)
    await stranger.send(token_message(""))
    await stranger.sync()
    for client in (stranger, nobody):
        await client.close()


# -- documents that share a socket ------------------------------------------------------------------------------------


async def test_4_what_is_taken_away_closes_a_document_and_not_its_socket(house: House) -> None:
    document, other = await house.ada.create(), await house.bob.create()
    await house.ada.give(document, house.bob, "editor")
    async with _provider(house, document, house.bob) as bob:
        elsewhere = varstring(other)
        await bob.send_bare(elsewhere + token_message(""))
        await house.ada.give(document, house.bob, "reader")
        await bob.until(lambda: bob.scopes == ["read-write", "readonly"], "told that it is a reader")
        await bob.edit(append("as a reader"))
        await bob.until(lambda: bob.statuses == [1, 0], "told that it was refused")
        await house.ada.give(document, house.bob, "editor")
        await bob.until(lambda: bob.statuses == [1, 0, 1], "told that it is saved after all")
        assert bob.scopes == ["read-write", "readonly", "read-write"]
        assert len(await read_all(house.ada.http, house.server, document)) == 1
        path = f"/api/documents/{document}/sharing/people/{house.bob.id}"
        await house.ada.call("DELETE", path, 200)
        await bob.until(lambda: len(bob.goodbyes) == 1, "told that it is over")
        await bob.send(token_message(""))
        await bob.until(lambda: len(bob.denials) == 1, "denied")
        bob.others.clear()
        await bob.send_bare(elsewhere + wire.step1(b"\x00"))
        await bob.until(lambda: any(m.startswith(elsewhere + b"\x00\x01") for m in bob.others), "answered elsewhere")


async def test_4_a_revoked_token_closes_the_documents_that_were_opened_by_it(house: House) -> None:
    document, other = await house.ada.create(), await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "editor"}})
    kept = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {other: "editor"}})
    async with RawProvider(house.server, document, token=made["token"]) as client:
        elsewhere = varstring(other)
        await client.send_bare(elsewhere + token_message(kept["token"]))
        await house.ada.call("DELETE", f"/api/me/tokens/{made['id']}", 204)
        await client.until(lambda: len(client.goodbyes) == 1, "told that it is over")
        await client.send_bare(elsewhere + wire.step1(b"\x00"))
        await client.until(lambda: any(m.startswith(elsewhere + b"\x00\x01") for m in client.others), "answered")
        assert not any(m.startswith(elsewhere + b"\x07") for m in client.others)


async def test_4_a_token_opens_on_a_shared_socket_what_it_is_for_and_nothing_else(house: House) -> None:
    document, other = await house.ada.create(), await house.ada.create()
    made = await house.ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {document: "reader"}})
    ticket = (await house.ada.call("POST", "/api/tickets", 201, {"document": other}))["ticket"]
    client = RawProvider(house.server, other, token=made["token"])
    await client.connect(sync=False)
    await client.until(lambda: len(client.denials) == 1, "denied")
    await client.send(token_message(ticket))
    await client.sync()
    assert client.scopes == ["read-write"]
    await client.close()
    again = RawProvider(house.server, other, token=ticket)
    await again.connect(sync=False)
    await again.until(lambda: len(again.denials) == 1, "denied: the ticket is used up")
    await again.close()


async def test_1_pages_of_other_sites_open_no_shared_socket(house: House) -> None:
    document = await house.ada.create()
    client = _provider(house, document, house.ada)
    client.headers["origin"] = "https://evil.example"
    assert await refused(client) == 403
    del client.headers["origin"]
    assert await refused(client) == 403


async def test_12_a_person_takes_a_place_for_each_shared_socket(house: House) -> None:
    document = await house.bob.create()
    clients = []
    try:
        for _ in range(50):
            clients.append(await _provider(house, document, house.bob).connect())
        last = await _provider(house, document, house.bob).connect(sync=False)
        clients.append(last)
        await last.until(lambda: len(last.denials) == 1, "denied one too many")
        await clients.pop(0).close()

        async def let_in() -> bool:
            told = len(last.denials) + len(last.scopes)
            await last.send(token_message(""))
            await last.until(lambda: len(last.denials) + len(last.scopes) > told, "judged again")
            return bool(last.scopes)

        await eventually(let_in, "a place is free again")
    finally:
        for client in clients:
            await client.close()
