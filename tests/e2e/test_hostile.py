"""Hostile input over a real socket: the right close code, nothing stored, others unaffected, the server alive."""

import secrets
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
from pycrdt import Text
from websockets.exceptions import InvalidStatus

from collab.limits import RoomLimits
from tests import hostile
from tests.e2e import wire
from tests.e2e.feed import read_all
from tests.e2e.raw_client import Disconnected, Outgoing, RawClient
from tests.e2e.replica import append, items_of, replay, state_vector, text_of
from tests.servers import ServerProcess

pytestmark = pytest.mark.xdist_group("clients")

PROTOCOL, TEXT_MESSAGE, MALFORMED, REFUSED, TOO_LARGE = 1002, 1003, 1007, 1008, 1009
MESSAGE_BYTES_MAX = 1024 * 1024
SYNC_BYTES_MAX = 8 * 1024 * 1024
FRAGMENTS_MAX = 1024
HELD_SECONDS = RoomLimits().held_seconds_max
"""So long an update under somebody else's client id waits for that connection to go."""

SHORT = {
    "a message without a type": b"",
    "an unknown message type": bytes((9, 1, 0)),
    "the answer to an authentication nobody asked for": bytes((wire.AUTH, 0)) + wire.sized(b"denied"),
    "an unknown kind of sync message": bytes((wire.SYNC, 3)) + wire.sized(b"\x00\x00"),
    "a type in more bytes than any number has": b"\xff" * 20,
}
"""Messages that are wrong before any payload is looked at, and below the close code of each."""
SHORT_CODES = dict(zip(SHORT, (MALFORMED, REFUSED, REFUSED, REFUSED, MALFORMED), strict=True))


@dataclass
class Scene:
    """An attacker in one document with two clients who behave."""

    server: ServerProcess
    http: httpx.AsyncClient
    document: str
    attacker: RawClient
    pair: tuple[RawClient, RawClient]

    async def rows(self) -> list[bytes]:
        return [row.payload for row in await read_all(self.http, self.server, self.document)]

    async def converge(self) -> None:
        """Both write; both see both."""
        tags = {secrets.token_hex(4), secrets.token_hex(4)}
        for client, tag in zip(self.pair, tags, strict=True):
            await client.edit(append(tag))
        for client in self.pair:
            await client.until(partial(_has, client, tags), "converged")
            await client.saved()


def _has(client: RawClient, tags: set[str]) -> bool:
    return tags <= set(items_of(client.doc))


@asynccontextmanager
async def stage(server: ServerProcess, http: httpx.AsyncClient, document: str) -> AsyncIterator[Scene]:
    async with (
        RawClient(server, document) as anna,
        RawClient(server, document) as boris,
        RawClient(server, document) as attacker,
    ):
        scene = Scene(server, http, document, attacker, (anna, boris))
        await scene.converge()
        await attacker.until(lambda: items_of(attacker.doc) == items_of(anna.doc), "told of what the others wrote")
        yield scene


@asynccontextmanager
async def nothing_happens(server: ServerProcess, http: httpx.AsyncClient, document: str) -> AsyncIterator[Scene]:
    """What the attacker does inside leaves the log as it was, the others converging and the server alive."""
    async with stage(server, http, document) as scene:
        before = await scene.rows()
        yield scene
        assert await scene.rows() == before, "something was stored"
        await scene.converge()
        content = items_of(replay(await scene.rows()))
        assert content == items_of(scene.pair[0].doc) == items_of(scene.pair[1].doc)
        assert text_of(replay(await scene.rows())) == ""
        server.check_alive()


async def refusal(attacker: RawClient, *messages: Outgoing, within: float = 10) -> int | None:
    """Send `messages` and an acknowledgement request; the close code that ends the connection, never an echo."""
    with suppress(Disconnected):
        for message in messages:
            await attacker.send(message)
        await attacker.ask_saved()
    code = await attacker.closed(within)
    assert attacker.acknowledged == 0, "what was refused must never be acknowledged"
    return code


@pytest.mark.parametrize("envelope", [wire.update, wire.step2], ids=["update", "step2"])
@pytest.mark.parametrize("name", hostile.REFUSED)
async def test_9_a_hostile_update_closes_its_sender_alone(
    server: ServerProcess, http: httpx.AsyncClient, document: str, name: str, envelope: Callable[[bytes], bytes]
) -> None:
    refused = hostile.REFUSED[name]
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, envelope(refused.update)) == refused.error.close_code, refused.why


@pytest.mark.parametrize("name", hostile.REFUSED)
async def test_9_a_hostile_update_posted_over_http_is_a_problem_of_the_sender(
    server: ServerProcess, http: httpx.AsyncClient, document: str, name: str
) -> None:
    async with nothing_happens(server, http, document):
        answer = await http.post(
            server.document_url(document, "updates"),
            content=hostile.REFUSED[name].update,
            headers={"content-type": "application/octet-stream"},
        )
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", SHORT)
async def test_a_message_that_is_none_closes_its_sender(
    server: ServerProcess, http: httpx.AsyncClient, document: str, name: str
) -> None:
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, SHORT[name]) == SHORT_CODES[name]


async def test_every_truncation_of_an_update_message_is_malformed(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    whole = wire.update(hostile.update(hostile.section(1, 0, hostile.text("héllo"))))
    async with nothing_happens(server, http, document) as scene:
        for message in hostile.truncations(whole):
            attacker = await RawClient(scene.server, document).connect()
            assert await refusal(attacker, message) == MALFORMED, message


@pytest.mark.parametrize("step", [wire.STEP_1, wire.STEP_2, wire.UPDATE])
async def test_a_payload_that_declares_another_length_than_it_has_is_malformed(
    server: ServerProcess, http: httpx.AsyncClient, document: str, step: int
) -> None:
    payload = b"\x00" if step == wire.STEP_1 else b"\x00\x00"
    async with nothing_happens(server, http, document) as scene:
        code = await refusal(scene.attacker, bytes((wire.SYNC, step)) + hostile.wrong_length(payload))
        assert code == MALFORMED


async def test_a_text_message_is_refused_as_such(server: ServerProcess, http: httpx.AsyncClient, document: str) -> None:
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, "0 0 1 0") == TEXT_MESSAGE


async def test_9_a_state_vector_that_lies_about_its_count_is_malformed(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, wire.step1(hostile.lying_state_vector())) == MALFORMED


@pytest.mark.parametrize(
    ("envelope", "size"),
    [
        pytest.param(wire.update, MESSAGE_BYTES_MAX, id="an update over 1 MiB"),
        pytest.param(wire.step1, MESSAGE_BYTES_MAX, id="a state vector over 1 MiB"),
        pytest.param(wire.step2, SYNC_BYTES_MAX, id="a sync step 2 over 8 MiB"),
        pytest.param(wire.step2, 20_000_000, id="a frame of 20 MB"),
    ],
)
async def test_11_a_message_larger_than_its_limit_is_too_large(
    server: ServerProcess, http: httpx.AsyncClient, document: str, envelope: Callable[[bytes], bytes], size: int
) -> None:
    giant = hostile.update(hostile.section(1, 0, hostile.text("x" * size)))
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, envelope(giant)) == TOO_LARGE


async def test_11_a_message_cut_into_thousands_of_fragments_is_refused(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(server, http, document) as scene:
        assert await refusal(scene.attacker, (b"" for _ in range(50 * FRAGMENTS_MAX))) == REFUSED


async def test_11_a_compressed_message_is_refused_before_it_is_inflated(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    bomb = zlib.compress(b"\0" * 64_000_000, wbits=-15)
    masked_with_zeros = b"\xc2\xff" + len(bomb).to_bytes(8, "big") + bytes(4) + bomb  # final, RSV1, binary
    async with nothing_happens(server, http, document) as scene:
        scene.attacker.socket.transport.write(masked_with_zeros)
        assert await scene.attacker.closed() == PROTOCOL


# -- awareness


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(hostile.awareness_flood(), REFUSED, id="100,000 entries"),
        pytest.param(hostile.awareness_lying_count(), REFUSED, id="a count that lies"),
        pytest.param(b"\x01\x01\x01" + wire.sized(b'"' + b"x" * 20_000 + b'"'), REFUSED, id="a state of 20 KB"),
        pytest.param(b"\x01\x01\x01" + wire.sized(b"{"), MALFORMED, id="a state that is not JSON"),
        pytest.param(b"\x01\x01\x01" + wire.sized(b"NaN"), MALFORMED, id="a number no JSON has"),
        pytest.param(b"\x01\x01\x01" + wire.sized(b"[" * 16_000), MALFORMED, id="nested without end"),
        pytest.param(b"\x01\x01\x01" + wire.sized(b'"\xff"'), MALFORMED, id="a state that is not UTF-8"),
        pytest.param(b"\x01\x01\x01" + hostile.short_string('"ééé"'), MALFORMED, id="a length in characters"),
        pytest.param(b"\x02\x01\x01" + wire.sized(b"{}"), MALFORMED, id="an entry too few"),
        pytest.param(b"\x00\x00", MALFORMED, id="a byte too many"),
    ],
)
async def test_8_hostile_awareness_closes_its_sender_alone(
    server: ServerProcess, http: httpx.AsyncClient, document: str, payload: bytes, code: int
) -> None:
    async with nothing_happens(server, http, document) as scene:
        message = bytes((wire.AWARENESS,)) + wire.sized(payload)
        assert await refusal(scene.attacker, message) == code
        assert all(client.awareness == {} for client in scene.pair), "others were told"


async def test_8_nobody_can_say_that_somebody_else_is_gone(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(server, http, document) as scene:
        anna, boris = scene.pair
        victim = anna.doc.client_id
        await anna.announce({"name": "Anna"})
        await boris.until(lambda: victim in boris.awareness, "told of Anna")
        theft = hostile.awareness_theft(victim)
        await scene.attacker.send(bytes((wire.AWARENESS,)) + wire.sized(theft))
        await scene.attacker.sync()
        await anna.announce({"name": "Anna", "caret": 1}, clock=2)
        await boris.until(lambda: boris.awareness.get(victim) == {"name": "Anna", "caret": 1}, "told of Anna's caret")


# -- well-formed, and still trouble


async def test_9_updates_with_gaps_are_not_kept_and_their_sender_is_asked_then_closed(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with nothing_happens(server, http, document) as scene:
        first, *more = map(wire.update, hostile.gap_updates(200))
        asked_before = len(scene.attacker.received)
        await scene.attacker.send(first)
        await scene.attacker.until(lambda: len(scene.attacker.received) > asked_before, "asked for what is missing")
        assert scene.attacker.received[-1].step == wire.STEP_1
        assert await refusal(scene.attacker, *more) == REFUSED


async def test_9_an_update_that_contradicts_the_document_is_taken_back_and_its_sender_closed(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with stage(server, http, document) as scene:
        anna, boris = scene.pair
        await anna.send_update(hostile.SHARED_STATE)
        await anna.saved()
        before = await scene.rows()
        assert await refusal(scene.attacker, wire.update(hostile.PARENT_IS_TEXT_THERE)) == MALFORMED
        assert await scene.rows() == before, "something was stored"
        await scene.converge()
        assert not anna.ended
        assert not boris.ended
        async with RawClient(server, document) as newcomer:
            assert str(newcomer.doc.get("t", type=Text)) == "a\U0001f600b"
            assert items_of(newcomer.doc) == items_of(anna.doc)


async def test_half_an_emoji_deleted_stops_nobody(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with stage(server, http, document) as scene:
        await scene.pair[0].send_update(hostile.SHARED_STATE)
        await scene.pair[0].saved()
        await scene.attacker.send_update(hostile.SPLIT_EMOJI)
        await scene.converge()
        answer = await http.get(server.document_url(document, "content"), params={"format": "text"})
        assert answer.status_code == 200


async def test_9_edits_under_somebody_elses_client_id_swallow_nothing_and_end_their_sender(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with stage(server, http, document) as scene:
        anna, boris = scene.pair
        victim = anna.doc.client_id
        clock = state_vector(anna.doc)[victim]
        await scene.attacker.send_update(hostile.stolen_id(victim, clock))
        await scene.attacker.sync()
        for n in range(50):
            await anna.edit(append(f"Anna's {n}"))
        await boris.until(lambda: f"Anna's {49}" in items_of(boris.doc), "told of all Anna wrote")
        assert [item for item in items_of(boris.doc) if "Anna" in item] == [f"Anna's {n}" for n in range(50)]
        await anna.saved()
        async with RawClient(server, document) as newcomer:
            assert items_of(newcomer.doc) == items_of(anna.doc)
        assert await refusal(scene.attacker, within=HELD_SECONDS + 10) == REFUSED
        assert items_of(replay(await scene.rows())) == items_of(anna.doc)
        await scene.converge()


async def test_9_a_bomb_in_small_harmless_updates_is_stopped(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with stage(server, http, document) as scene:
        bomb = map(wire.update, hostile.nested_types_in_steps())
        assert await refusal(scene.attacker, *bomb) == REFUSED
        await scene.converge()
        server.check_alive()
        async with RawClient(server, document) as newcomer:
            assert items_of(newcomer.doc) == items_of(scene.pair[0].doc)


# -- names


@pytest.mark.parametrize("name", ["a%00b", "a%0d%0ab", "a%20b", "%c3%a9", "../b", "a/../b", "a//b", ".", "x" * 256, ""])
async def test_7_a_name_that_is_none_is_refused_before_the_connection_is_accepted(
    server: ServerProcess, name: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await RawClient(server, name).connect(sync=False)
    assert refused.value.response.status_code in (400, 404)
    server.check_alive()
