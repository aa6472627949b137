"""A client that attacks, one way after the other: rows 7 to 12 of the threat table. It must be closed with the right
code, or refused before it is let in, and nobody else may notice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

from pycrdt import Doc
from websockets.exceptions import InvalidStatus, WebSocketException

from tests import hostile
from tests.checker.invariants import Violated, Violation
from tests.e2e import wire
from tests.e2e.raw_client import Disconnected, RawClient
from tests.servers import ServerProcess

_PROTOCOL, _MALFORMED, _REFUSED, _TOO_LARGE = 1002, 1007, 1008, 1009
_CLOSED_SECONDS = 25.0
_NAMES = ("a%00b", "a%0d%0ab", "../b", "a/../b", "a//b", "%2e%2e/b", "x" * 256)
_SOCKETS = 150

Attack = Callable[["Attacker", str], Awaitable[None]]


class Attacker:
    def __init__(self, server: ServerProcess, documents: list[str], rng: Random) -> None:
        self._server = server
        self._documents = documents
        self.rng = rng
        self.attacks: Counter[str] = Counter()

    async def run(self) -> None:
        """Attack without end.

        Raises:
            Violated: an attack was let pass.
        """
        while True:
            attack = self.rng.choice(ATTACKS)
            self.attacks[attack.__name__] += 1
            await attack(self, self.rng.choice(self._documents))

    async def connect(self, document: str) -> RawClient:
        return await RawClient(self._server, document, Doc(client_id=self.rng.randrange(1, 2**53))).connect()

    async def closed_with(self, document: str, what: str, codes: set[int | None], *messages: Any) -> None:
        """Send `messages`; the connection must end with one of `codes`, and nothing be acknowledged."""
        client = await self.connect(document)
        with suppress(Disconnected):
            for message in messages:
                await client.send(message)
            await client.ask_saved()
        try:
            code = await client.closed(_CLOSED_SECONDS)
        except TimeoutError:
            code = 0
        if code not in codes or client.acknowledged:
            raise Violated(Violation("containment", document, f"{what}: closed with {code}, not with one of {codes}"))

    @property
    def server(self) -> ServerProcess:
        return self._server


async def name(attacker: Attacker, _document: str) -> None:
    chosen = attacker.rng.choice(_NAMES)
    try:
        await RawClient(attacker.server, chosen).connect(sync=False)
    except InvalidStatus as refused:
        if refused.response.status_code in (400, 404):
            return
    raise Violated(Violation("containment", chosen, "a name that is none was let in"))


async def awareness_flood(attacker: Attacker, document: str) -> None:
    message = bytes((wire.AWARENESS,)) + wire.sized(hostile.awareness_flood())
    await attacker.closed_with(document, "an awareness flood", {_REFUSED}, message)


async def awareness_theft(attacker: Attacker, document: str) -> None:
    """Says that others are gone. Nobody is to believe it; the connection may stay."""
    client = await attacker.connect(document)
    for victim in list(client.awareness):
        await client.send(bytes((wire.AWARENESS,)) + wire.sized(hostile.awareness_theft(victim)))
    await client.close()


async def hostile_update(attacker: Attacker, document: str) -> None:
    chosen = attacker.rng.choice(list(hostile.REFUSED))
    refused = hostile.REFUSED[chosen]
    envelope = attacker.rng.choice((wire.update, wire.step2))
    await attacker.closed_with(document, chosen, {refused.error.close_code}, envelope(refused.update))


async def lying_state_vector(attacker: Attacker, document: str) -> None:
    await attacker.closed_with(document, "a lying state vector", {_MALFORMED}, wire.step1(hostile.lying_state_vector()))


async def gaps(attacker: Attacker, document: str) -> None:
    client = attacker.rng.randrange(1, 2**53)
    updates = map(wire.update, hostile.gap_updates(3_000, client=client))
    await attacker.closed_with(document, "updates that never attach", {_REFUSED}, *updates)


async def giant_frame(attacker: Attacker, document: str) -> None:
    await attacker.closed_with(document, "a frame of 20 MB", {_TOO_LARGE, None}, bytes(20 * 1024 * 1024))


async def fragment_bomb(attacker: Attacker, document: str) -> None:
    fragments = [b"" for _ in range(5_000)]
    await attacker.closed_with(document, "5,000 empty fragments", {_REFUSED, None}, fragments)


async def ping_flood(attacker: Attacker, document: str) -> None:
    client = await attacker.connect(document)
    with suppress(WebSocketException, OSError):
        for _ in range(5_000):
            await client.socket.ping()
    if await client.closed(_CLOSED_SECONDS) not in {_REFUSED, None}:
        raise Violated(Violation("containment", document, f"a ping flood: closed with {client.close_code}"))


async def slow_header(attacker: Attacker, _document: str) -> None:
    """Half a request, and then nothing: closed within the time a head may take."""
    reader, writer = await asyncio.open_connection("127.0.0.1", attacker.server.port)
    writer.write(b"GET /ws/slow HTTP/1.1\r\nHost: ")
    try:
        await asyncio.wait_for(reader.read(), _CLOSED_SECONDS)
    except TimeoutError:
        raise Violated(Violation("containment", "a socket", "half a request was left open")) from None
    finally:
        writer.close()


async def slow_reader(attacker: Attacker, document: str) -> None:
    """Asks for the whole document again and again, and reads nothing."""
    client = await attacker.connect(document)
    client.socket.transport.pause_reading()
    with suppress(Disconnected, TimeoutError):
        async with asyncio.timeout(3):
            for _ in range(300):
                await client.send(wire.step1(b"\x00"))
    await client.drop()


async def connection_flood(attacker: Attacker, _document: str) -> None:
    opened = await asyncio.gather(
        *(asyncio.open_connection("127.0.0.1", attacker.server.port) for _ in range(_SOCKETS)), return_exceptions=True
    )
    for pair in opened:
        if not isinstance(pair, BaseException):
            pair[1].transport.abort()


ATTACKS: tuple[Attack, ...] = (
    name,
    awareness_flood,
    awareness_theft,
    hostile_update,
    hostile_update,
    hostile_update,
    lying_state_vector,
    gaps,
    giant_frame,
    fragment_bomb,
    ping_flood,
    slow_header,
    slow_reader,
    connection_flood,
)
