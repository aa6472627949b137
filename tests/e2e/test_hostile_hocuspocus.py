"""Hostile input on the socket that many documents share: one document's trouble stays its own, the socket's its own."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import httpx
import pytest

from tests import hostile
from tests.e2e import wire
from tests.e2e.feed import read_all
from tests.e2e.raw_client import Disconnected, RawClient
from tests.e2e.raw_provider import CLOSE, STATELESS, RawProvider, token_message, varstring
from tests.e2e.replica import append, items_of
from tests.servers import ServerProcess
from tests.tokens import SECRET, token

pytestmark = pytest.mark.xdist_group("clients")

MALFORMED, REFUSED, TIMED_OUT = 1007, 1008, 4408
MESSAGES_MAX, DOCUMENTS_MAX, BYTES_MAX = 40, 12, 300_000


@pytest.fixture(scope="module")
def jwt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    limits: dict[str, Any] = {
        "unauthenticated_messages_max": MESSAGES_MAX,
        "unauthenticated_documents_max": DOCUMENTS_MAX,
        "unauthenticated_bytes_max": BYTES_MAX,
        "documents_per_socket_max": 20,
        "refused_tokens_per_minute_max": 100_000,
    }
    directory = tmp_path_factory.mktemp("hostile")
    with ServerProcess(directory, auth="jwt", jwt_secret=SECRET, **limits) as server:
        yield server


@asynccontextmanager
async def nothing_happens(server: ServerProcess, feed: httpx.AsyncClient, document: str) -> AsyncIterator[RawProvider]:
    """What an attacker does who may edit `document` leaves it as it was, others undisturbed, and the server alive."""
    editor = token("ann", {"*": "editor"})
    async with (
        RawProvider(server, document, token=editor) as ann,
        RawProvider(server, document, token=editor) as attacker,
    ):
        await ann.edit(append("before"))
        await ann.settled(2)
        await attacker.until(lambda: items_of(attacker.doc) == ["before"], "told of it")
        rows = await read_all(feed, server, document)
        yield attacker
        assert await read_all(feed, server, document) == rows
        await ann.edit(append("after"))
        await ann.settled(3)
        assert ann.statuses == [1, 1, 1]
        assert items_of(ann.doc) == ["before", "after"]
        server.check_alive()


async def other_document(attacker: RawProvider) -> "Other":
    other = Other(attacker, f"other-{secrets.token_hex(4)}")
    await attacker.send_bare(other.key + token_message(attacker.token or ""))
    await other.answers()
    return other


class Other:
    """A second document on the socket of a `RawProvider`."""

    def __init__(self, socket: RawProvider, document: str) -> None:
        self.socket = socket
        self.key = varstring(document)

    async def answers(self) -> None:
        """It is open: a sync step 1 is answered."""
        before = self._answers()
        await self.socket.send_bare(self.key + wire.step1(b"\x00"))
        await self.socket.until(lambda: self._answers() > before, "answered in the other document")

    def _answers(self) -> int:
        return sum(message.startswith(self.key + b"\x00\x01") for message in self.socket.others)


# -- in an open document ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("envelope", [wire.update, wire.step2], ids=["update", "step2"])
@pytest.mark.parametrize("name", hostile.REFUSED)
async def test_a_hostile_update_closes_its_document_alone(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, name: str, envelope: object
) -> None:
    async with nothing_happens(jwt_server, feed, document) as attacker:
        other = await other_document(attacker)
        await attacker.send(envelope(hostile.REFUSED[name].update))  # type: ignore[operator]
        await attacker.until(lambda: len(attacker.goodbyes) == 1, "told that the document is closed")
        await other.answers()


@pytest.mark.parametrize(
    "body",
    [
        b"\x00",
        b"\x00\x03\x00",
        b"\x00\x02\x7f\x00",
        b"\x01\x03\x01\x01\x01",
        b"\x02\x02\x0aread-write",
        b"\x02\x01\x02no",
        b"\x04\x00\x01\x00",
        b"\x05\x02\xff\xff",
        b"\x05" + wire.sized(b"x" * 70_000),
        b"\x06\x02hi",
        b"\x08\x01",
        b"\x0b",
        b"\x66\x01\x00",
        b"\x80\x00",
        b"\xff" * 12,
    ],
)
async def test_a_message_that_clients_do_not_send_closes_its_document_alone(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, body: bytes
) -> None:
    async with nothing_happens(jwt_server, feed, document) as attacker:
        other = await other_document(attacker)
        await attacker.send(body)
        await attacker.until(lambda: len(attacker.goodbyes) == 1, "told that the document is closed")
        await other.answers()


async def test_a_document_that_was_closed_can_be_opened_again_on_the_same_socket(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(jwt_server, feed, document) as attacker:
        await attacker.send(b"\x06\x02hi")
        await attacker.until(lambda: len(attacker.goodbyes) == 1, "told that the document is closed")
        await attacker.send(token_message(attacker.token or ""))
        await attacker.sync()
        assert attacker.scopes == ["read-write", "read-write"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", MALFORMED),
        (b"\x0b", MALFORMED),
        (b"\x05ab", MALFORMED),
        (b"\x02\xff\xfe\x00", MALFORMED),
        (b"\x80\x00\x00", MALFORMED),
        (wire.sized(b"k" * 400) + b"\x03", REFUSED),
        (varstring("name\0") + b"\x03", REFUSED),
        (varstring("name\0a\0b") + b"\x03", REFUSED),
        (varstring("name"), MALFORMED),
    ],
)
async def test_a_message_without_a_key_closes_the_socket(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, message: bytes, code: int
) -> None:
    async with nothing_happens(jwt_server, feed, document) as attacker:
        await attacker.send_bare(message)
        assert await attacker.closed() == code


async def test_a_ping_is_answered_by_a_pong(jwt_server: ServerProcess, document: str) -> None:
    async with RawProvider(jwt_server, document, token=None).connect_only() as client:
        await client.send_bare(b"\x09")
        await client.until(lambda: client.others == [b"\x0a"], "answered")


# -- keys -------------------------------------------------------------------------------------------------------------


async def test_what_comes_under_one_key_never_reaches_another(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    """The reference server falls back from `name NUL session` to `name`. Here a key that was not opened is not open,
    whatever it resembles."""
    async with nothing_happens(jwt_server, feed, document) as attacker:
        update = RawProvider(jwt_server, document).change(append("smuggled"))
        for key in (f"{document}\0session", f"{document}x", document[:-1], f"{document}/x", document.upper(), ""):
            await attacker.send_bare(varstring(key) + wire.update(update))
        await attacker.sync()
        assert attacker.others == []


async def test_a_session_key_is_judged_by_the_name_in_it(jwt_server: ServerProcess, document: str) -> None:
    own = token("eve", {f"{document}/own": "editor"})
    async with RawProvider(jwt_server, f"{document}/own", token=own) as eve:
        for key in (f"{document}\0{'s' * 8}", f"{document}/own/../x\0s", f"{document}/own\n\0s", "\0s"):
            stolen = varstring(key)
            await eve.send_bare(stolen + token_message(own))
            await eve.until(
                lambda stolen=stolen: any(m.startswith(stolen + b"\x02\x01") for m in eve.others),  # type: ignore[misc]
                "denied",
            )
        await eve.sync()
        assert not any(b"\x02\x02\x0aread-write" in message for message in eve.others)


# -- before anybody is let in -----------------------------------------------------------------------------------------


async def test_nothing_takes_effect_before_the_token(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    async with (
        nothing_happens(jwt_server, feed, document) as ann,
        RawProvider(jwt_server, document, token=None).connect_only() as eve,
    ):
        await eve.send_update(eve.change(append("early")))
        await eve.send(wire.awareness([(eve.doc.client_id, 1, '{"name": "Eve"}')]))
        await eve.send(bytes((STATELESS,)) + varstring("psst"))
        await eve.send(token_message(token("eve", {"elsewhere": "editor"})))
        await eve.until(lambda: len(eve.denials) == 1, "denied")
        await ann.sync()
        assert (ann.awareness, ann.heard) == ({}, [])


async def test_what_came_before_the_token_counts_after_it(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    async with RawProvider(jwt_server, document, token=None).connect_only() as ann:
        await ann.send_update(ann.change(append("early")))
        await ann.send(token_message(token("ann", {document: "editor"})))
        await ann.sync()
        await ann.settled(1)
        assert [row.user for row in await read_all(feed, jwt_server, document)] == ["ann"]


async def test_a_denied_document_takes_what_waited_for_it_along(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str
) -> None:
    """Whoever comes with a right token afterwards is not taken for the author."""
    async with RawProvider(jwt_server, document, token=None).connect_only() as eve:
        await eve.send_update(eve.change(append("before the wrong token")))
        await eve.send(token_message("swordfish"))
        await eve.until(lambda: len(eve.denials) == 1, "denied")
        eve.doc = RawClient(jwt_server, document).doc
        await eve.send(token_message(token("ann", {document: "editor"})))
        await eve.sync()
        assert await read_all(feed, jwt_server, document) == []


async def test_a_socket_that_has_opened_nothing_has_its_limits(jwt_server: ServerProcess, document: str) -> None:
    async def messages(eve: RawProvider) -> None:
        for _ in range(MESSAGES_MAX + 1):
            await eve.send(b"\x03")

    async def documents(eve: RawProvider) -> None:
        for number in range(DOCUMENTS_MAX + 1):
            await eve.send_bare(varstring(f"{document}/{number}") + b"\x03")

    async def many_bytes(eve: RawProvider) -> None:
        for _ in range(4):
            await eve.send(wire.update(bytes(BYTES_MAX // 3)))

    async def bad_tokens(eve: RawProvider) -> None:
        for number in range(MESSAGES_MAX + 1):
            await eve.send(token_message(f"swordfish {number}"))
            await eve.until(lambda number=number: len(eve.denials) > number, "denied")  # type: ignore[misc]

    for attack in (messages, documents, many_bytes, bad_tokens):
        async with RawProvider(jwt_server, document, token=None).connect_only() as eve:
            with suppress(Disconnected):
                await attack(eve)
            assert await eve.closed() == REFUSED, attack.__name__


async def test_limits_are_of_what_is_not_open_yet(jwt_server: ServerProcess, document: str) -> None:
    """More documents than may wait are open at once, and more messages have come than may wait."""
    ann = token("ann", {"*": "editor"})
    async with RawProvider(jwt_server, document, token=ann) as client:
        others = [Other(client, f"{document}/{n}") for n in range(DOCUMENTS_MAX + 2)]
        for other in others:
            await client.send_bare(other.key + token_message(ann))
            for _ in range(8):
                await other.answers()
        for number in range(10):
            await client.send_bare(varstring(f"{document}/more/{number}") + token_message(ann))
        await client.until(lambda: any(b"too many documents" in m for m in client.others), "denied one too many")
        for other in others:
            await other.answers()


async def test_who_opens_nothing_in_time_is_sent_away(tmp_path_factory: pytest.TempPathFactory, document: str) -> None:
    directory = tmp_path_factory.mktemp("slow")
    with ServerProcess(directory, auth="jwt", jwt_secret=SECRET, unauthenticated_seconds=0.5) as server:
        async with (
            RawProvider(server, document, token=token("ann", {document: "editor"})) as ann,
            RawProvider(server, document, token=None).connect_only() as eve,
        ):
            assert await eve.closed() == TIMED_OUT
            await ann.send(bytes((CLOSE,)))
            await ann.send(token_message(ann.token or ""))
            await ann.sync()


# -- anything ---------------------------------------------------------------------------------------------------------


async def test_random_messages_are_contained(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, rng: Random
) -> None:
    """Right messages with bytes changed, cut and repeated, under keys that exist and keys that do not."""
    good = [
        token_message(token("eve", {"elsewhere": "editor"})),
        wire.step1(b"\x00"),
        wire.step2(b"\x00\x00"),
        wire.update(hostile.update(hostile.section(9, 0, hostile.text("x")))),
        wire.awareness([(9, 1, "{}")]),
        b"\x03",
        b"\x05\x02hi",
        b"\x07",
        b"\x08\x01",
    ]
    keys = [varstring(document), varstring(f"{document}\0s"), varstring("elsewhere"), b"\x00", b""]
    async with nothing_happens(jwt_server, feed, document):
        for _ in range(30):
            reader = token("eve", {document: "reader", "elsewhere": "editor"})
            async with RawProvider(jwt_server, document, token=reader).connect_only() as eve:
                try:
                    for _ in range(40):
                        message = bytearray(rng.choice(keys) + rng.choice(good))
                        for _ in range(rng.randrange(3)):
                            match rng.randrange(3):
                                case 0:
                                    message[rng.randrange(len(message))] = rng.randrange(256)
                                case 1:
                                    del message[rng.randrange(len(message)) :]
                                case 2:
                                    message += message[: rng.randrange(20)]
                            message = message or bytearray(b"\x00")
                        await eve.send_bare(bytes(message))
                except Disconnected:
                    assert await eve.closed() in (MALFORMED, REFUSED)
