"""Hostile input from clients of y-sweet and y-partyserver: contained, in their document and in their connection."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests import hostile
from tests.e2e import wire
from tests.e2e.feed import read_all
from tests.e2e.raw_client import Disconnected, Outgoing, RawClient
from tests.e2e.raw_dialects import RawParty, RawSweet
from tests.e2e.replica import append, items_of
from tests.servers import ServerProcess
from tests.support import almost
from tests.tokens import SECRET, token

pytestmark = pytest.mark.xdist_group("clients")

TEXT_MESSAGE, MALFORMED, REFUSED, TOO_LARGE = 1003, 1007, 1008, 1009
STATELESS_BYTES_MAX = 1000
DIALECTS: list[type[RawClient]] = [RawSweet, RawParty]
both = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(scope="module")
def jwt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    limits: dict[str, Any] = {
        "stateless_bytes_max": STATELESS_BYTES_MAX,
        "refused_tokens_per_minute_max": 100_000,
        "messages_per_second_max": 200,
        "messages_burst_max": 400,
    }
    directory = tmp_path_factory.mktemp("hostile")
    with ServerProcess(directory, auth="jwt", jwt_secret=SECRET, **limits) as server:
        yield server


@asynccontextmanager
async def nothing_happens(server: ServerProcess, feed: httpx.AsyncClient, document: str) -> AsyncIterator[RawParty]:
    """What an attacker does leaves the document as it was, others undisturbed, and the server alive. Yields one of the
    others, who hears custom messages."""
    editor = token("ann", {"*": "editor"})
    async with RawParty(server, document, token=editor) as ann:
        await ann.edit(append("before"))
        await ann.saved()
        rows = await read_all(feed, server, document)
        yield ann
        assert await read_all(feed, server, document) == rows
        await ann.edit(append("after"))
        await ann.saved()
        assert items_of(ann.doc) == ["before", "after"]
        server.check_alive()


async def end_of(attacker: RawClient, *messages: Outgoing) -> int | None:
    """Send `messages` and an acknowledgement request; the close code, never an echo."""
    await attacker.connect()
    with suppress(Disconnected):
        for message in messages:
            await attacker.send(message)
        await attacker.ask_saved()
    code = await attacker.closed()
    assert attacker.acknowledged == 0, "what was refused must never be acknowledged"
    return code


@both
async def test_hostile_updates_close_their_sender_alone(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, dialect: type[RawClient]
) -> None:
    async with nothing_happens(jwt_server, feed, document):
        for name, refused in hostile.REFUSED.items():
            envelope: Callable[[bytes], bytes] = wire.update if len(name) % 2 else wire.step2
            attacker = dialect(jwt_server, document, token=token("eve", {"*": "editor"}))
            assert await end_of(attacker, envelope(refused.update)) == refused.error.close_code, name


SHORT: list[tuple[bytes, int]] = [
    (b"", MALFORMED),
    (bytes((9, 1, 0)), REFUSED),
    (b"\x02\x00" + wire.sized(b"denied"), REFUSED),
    (b"\x00\x03" + wire.sized(b"\x00\x00"), REFUSED),
    (b"\x05" + wire.sized(b"stateless"), REFUSED),
    (b"\x66", MALFORMED),
    (b"\x66\x05\x00", MALFORMED),
    (b"\x66" + wire.sized(b"v") + b"\x00", MALFORMED),
    (b"\x01" + wire.sized(hostile.awareness_flood()), REFUSED),
    (b"\x01" + wire.sized(hostile.awareness_lying_count()), REFUSED),
    (b"\x00\x00" + wire.sized(hostile.lying_state_vector()), MALFORMED),
    (b"\xff" * 20, MALFORMED),
]


@both
async def test_messages_that_clients_do_not_send_close_their_sender_alone(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, dialect: type[RawClient]
) -> None:
    async with nothing_happens(jwt_server, feed, document):
        for message, code in SHORT:
            attacker = dialect(jwt_server, document, token=token("eve", {"*": "editor"}))
            assert await end_of(attacker, message) == code, message[:20]


async def test_text_is_taken_from_clients_that_have_it_and_as_much_of_it_as_the_limit_says(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    editor = token("eve", {"*": "editor"})
    async with nothing_happens(jwt_server, feed, document) as ann:
        assert await end_of(RawSweet(jwt_server, document, token=editor), "__YPS:hello") == TEXT_MESSAGE
        for text, code in (
            ("hello", REFUSED),
            ("", REFUSED),
            ("__yps:hello", REFUSED),
            ("__YPS:" + "x" * (STATELESS_BYTES_MAX + 1), TOO_LARGE),
            ("__YPS:" + "é" * (STATELESS_BYTES_MAX // 2 + 1), TOO_LARGE),
        ):
            assert await end_of(RawParty(jwt_server, document, token=editor), text) == code, text[:20]
        assert ann.heard == []
        async with RawParty(jwt_server, document, token=editor) as eve:
            await eve.send("__YPS:" + "x" * STATELESS_BYTES_MAX)
            await ann.until(lambda: len(ann.heard) == 1, "told")


async def test_a_flood_of_custom_messages_ends_with_its_sender(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(jwt_server, feed, document) as ann:
        eve = RawParty(jwt_server, document, token=token("eve", {"*": "editor"}))
        # None: it went on sending into a socket that was closed, and lost the reason.
        assert await end_of(eve, *["__YPS:flood"] * 2000) in (REFUSED, None)
        assert len(ann.heard) < 2000


async def test_what_a_reader_writes_and_says_reaches_nobody(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    reader = token("eve", {"*": "reader"})
    async with nothing_happens(jwt_server, feed, document) as ann:
        async with RawParty(jwt_server, document, token=reader) as eve:
            await eve.send("__YPS:from a reader")
            await eve.edit(append("from a reader"))
            await eve.sync()
        async with RawSweet(jwt_server, document, token=reader) as eve:
            await eve.saved()  # It has changed nothing: the server is alive, and that is all.
            await eve.edit(append("from a reader"))
            await eve.ask_saved()
            await eve.sync()
            assert eve.acknowledged < eve.asked
        await ann.sync()
        assert ann.heard == []


# -- which document ---------------------------------------------------------------------------------------------------


async def refused(client: RawClient) -> int:
    with pytest.raises(InvalidStatus) as failure:
        await client.connect()
    return failure.value.response.status_code


async def test_an_address_that_names_two_documents_opens_none(jwt_server: ServerProcess, document: str) -> None:
    for first, second in ((document, f"{document}x"), (document, "x"), ("x", document), (document, f"{document}%2Fx")):
        client = RawSweet(jwt_server, first, again=second, token=token("eve", {"*": "editor"}))
        assert await refused(client) == 400
    same = RawSweet(jwt_server, document, again=quote(document, safe=""), token=token("eve", {"*": "editor"}))
    async with same:
        await same.sync()


async def test_the_role_is_that_in_the_document_that_is_opened(jwt_server: ServerProcess, document: str) -> None:
    own = token("eve", {document: "editor"})
    for client in (
        RawParty(jwt_server, document, party="other", token=own),
        RawParty(jwt_server, f"{document}/x", token=own),
        RawParty(jwt_server, "x", party=quote(document, safe=""), token=own),
        RawSweet(jwt_server, f"{document}/x", token=own),
    ):
        assert await refused(client) == 403
    for name in ("..", f"{document}/../x", f"{document}%2f..%2fx", f"{document}//x", f"{document}%00", "%20"):
        assert await refused(RawParty(jwt_server, name, token=own)) == 400
    for client in (RawSweet(jwt_server, document), RawParty(jwt_server, document)):
        assert await refused(client) == 401
    # A party's name is the beginning of the document's.
    party, _, room = document.partition("/")
    async with RawParty(jwt_server, room, party=party, token=own):
        pass


async def test_a_pass_is_for_its_document_its_role_and_nothing_else(jwt_server: ServerProcess, document: str) -> None:
    editor = {"authorization": f"Bearer {token('app', {'*': 'editor'})}"}
    name, other = document, f"{document}-other"
    async with RawSweet(jwt_server, name, token=token("app", {"*": "editor"})):
        pass  # Readers bring no document into being.
    async with httpx.AsyncClient(base_url=jwt_server.url, trust_env=False, verify=False) as http:
        answer = await http.post(
            f"/doc/{quote(name, safe='')}/auth", json={"authorization": "read-only"}, headers=editor
        )
        given = answer.json()["token"]
        async with RawSweet(jwt_server, name, token=given) as reader:
            await reader.edit(append("from a reader"))
            await reader.sync()
        for client in (
            RawSweet(jwt_server, other, token=given),
            RawParty(jwt_server, other, token=given),
            RawClient(jwt_server, other, token=given),
        ):
            assert await refused(client) == 403
        tampered = [almost(given), given[:40], f"{given}.{given}", given.upper()]
        for wrong in [*tampered, given.replace("csp_", "cst_"), given.replace("csp_", "csk_")]:
            assert await refused(RawSweet(jwt_server, name, token=wrong)) == 401
        as_reader = {"authorization": f"Bearer {given}"}
        url = f"/d/{quote(name, safe='')}"
        assert (await http.get(f"{url}/as-update", headers=as_reader)).status_code == 200
        for method, path in (
            ("POST", f"{url}/update"),
            ("GET", f"/d/{quote(other, safe='')}/as-update"),
            ("POST", f"/doc/{quote(name, safe='')}/auth"),
            ("POST", "/doc/new"),
            ("POST", "/check_store"),
            ("POST", "/api/tickets"),
            ("GET", "/api/documents"),
            ("POST", "/api/documents"),
            ("GET", "/api/admin/tokens"),
        ):
            assert (await http.request(method, path, headers=as_reader)).status_code == 403, path


# -- anything ---------------------------------------------------------------------------------------------------------


@both
async def test_random_messages_are_contained(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, rng: Random, dialect: type[RawClient]
) -> None:
    """Right messages with bytes changed, cut and repeated, binary and text."""
    good: list[bytes] = [
        wire.step1(b"\x00"),
        wire.step2(b"\x00\x00"),
        wire.update(hostile.update(hostile.section(9, 0, hostile.text("x")))),
        wire.awareness([(9, 1, "{}")]),
        wire.saved(1),
        b"\x03",
        b"\x67\x00",
        b"__YPS:hello",
    ]
    reader = token("eve", {document: "reader"})
    async with nothing_happens(jwt_server, feed, document):
        for _ in range(30):
            eve = dialect(jwt_server, document, token=reader)
            await eve.connect(sync=False)
            try:
                for _ in range(40):
                    message = bytearray(rng.choice(good))
                    for _ in range(rng.randrange(3)):
                        match rng.randrange(3):
                            case 0:
                                message[rng.randrange(len(message))] = rng.randrange(256)
                            case 1:
                                del message[rng.randrange(len(message)) :]
                            case 2:
                                message += message[: rng.randrange(20)]
                        if not message:
                            break
                    as_text = rng.randrange(8) == 0
                    await eve.send(message.decode("latin-1") if as_text else bytes(message))
            except Disconnected:
                pass
            finally:
                await eve.close()
