"""Somebody who may edit sends what their document did, damaged on the way, through every protocol: whatever of it is
taken, everybody has the same, the database has it, and no other document has anything of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import httpx
import pytest
from pycrdt import Array, Map, Text, XmlElement, XmlFragment, XmlText

from tests.e2e import wire
from tests.e2e.feed import read_all
from tests.e2e.raw_client import Disconnected, RawClient
from tests.e2e.raw_dialects import RawJupyter, RawParty, RawSweet
from tests.e2e.raw_provider import RawProvider, token_message, varstring
from tests.e2e.replica import append, dump, items_of, replay
from tests.servers import ServerProcess
from tests.tokens import SECRET, token

pytestmark = pytest.mark.xdist_group("clients")

VISITS, MESSAGES = 6, 25


@pytest.fixture(scope="module")
def jwt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    limits: dict[str, Any] = {"refused_tokens_per_minute_max": 100_000}
    with ServerProcess(tmp_path_factory.mktemp("editors"), auth="jwt", jwt_secret=SECRET, **limits) as server:
        yield server


@asynccontextmanager
async def all_stays_well(
    server: ServerProcess, feed: httpx.AsyncClient, document: str, private: str
) -> AsyncIterator[None]:
    editor = token("ann", {"*": "editor"})
    async with RawClient(server, private, token=editor) as ann:
        await ann.edit(append("private"))
        await ann.saved()
    rows = await read_all(feed, server, private)
    async with RawClient(server, document, token=editor) as ann:
        await ann.edit(append("before"))
        await ann.saved()
        yield
        server.check_alive()
        await ann.edit(append("after"))
        await ann.saved()
        await ann.sync()
        assert {"before", "after"} <= {item for item in items_of(ann.doc) if isinstance(item, str)}
        async with RawClient(server, document, token=editor) as late:
            await ann.sync()
            assert dump(late.doc) == dump(ann.doc)
            await late.saved()
        stored = replay([row.payload for row in await read_all(feed, server, document)])
        assert dump(stored) == dump(ann.doc)
    assert await read_all(feed, server, private) == rows
    log = server.log.read_text()
    assert "Traceback" not in log, log[-4000:]


def edit_anything(rng: Random, eve: RawClient) -> bytes:
    """The update of an edit of any kind."""

    def edit(doc: Any) -> None:
        text, entries, items, xml = (
            doc.get("text", type=Text),
            doc.get("map", type=Map),
            doc.get("array", type=Array),
            doc.get("xml", type=XmlFragment),
        )
        match rng.randrange(8):
            case 0:
                text += rng.choice(["a", "é", "🧑‍🚀", "word " * 5])
            case 1 if len(text):
                text.format(0, len(text), {"bold": rng.random() < 0.5})
            case 2 if len(items) > 1:
                del items[rng.randrange(1, len(items))]
            case 3:
                entries[rng.choice("abc")] = rng.choice([1, "x", None, [1, [2]], {"a": True}])
            case 4:
                entries[rng.choice("abc")] = rng.choice([Text("in"), Map({"k": 1}), Array([1])])
            case 5:
                xml.children.append(XmlElement("p", {"a": "1"}, [XmlText("t")]))
            case 6 if len(xml.children):
                del xml.children[0]
            case _:
                items.append(rng.choice([1, "eve", None, 1.5, b"bytes", [1]]))

    return eve.change(edit)


def damaged(rng: Random, message: bytes) -> bytes:
    changed = bytearray(message)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        at = rng.randrange(len(changed))
        match rng.randrange(6):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at:]
            case 3:
                changed[at:at] = changed[at : at + rng.randrange(9)]
            case 4:
                changed[at:at] = rng.choice([b"\x00", b"\x80", b"\xff" * 9, b"\xff\xff\xff\xff\x0f", b"\x00" * 40])
            case 5:
                del changed[at : at + rng.randrange(1, 4)]
        changed = changed or bytearray(b"\x00")
    return bytes(changed)


def message(rng: Random, eve: RawClient) -> bytes:
    match rng.randrange(12):
        case 0:
            return wire.step1(rng.choice([b"\x00", eve.doc.get_state()]))
        case 1:
            return wire.step2(eve.doc.get_update())
        case 2:
            return wire.awareness([(eve.doc.client_id, rng.randrange(2**32), '{"user": {"name": "ann"}}')])
        case 3:
            return rng.choice([b"\x03", b"\x67\x00", b"\x07", b"\x08\x01", b"\x05\x02hi", b"\x02\x04save\x01", b"\x0a"])
        case 4:
            return wire.saved(rng.randrange(2**50))
        case _:
            update = edit_anything(rng, eve) or b"\x00\x00"
            if rng.random() < 0.5:
                # Within an envelope that is right.
                return (wire.update if rng.random() < 0.7 else wire.step2)(damaged(rng, update))
            return wire.update(update)


async def visit(rng: Random, eve: RawClient, private: str) -> None:
    """Connect, and do harm until sent away, or enough is done."""
    await eve.connect()
    provider = isinstance(eve, RawProvider)
    keys = [
        varstring(name)
        for name in (private, f"{eve.document}\0s", f"{eve.document}\0", "\0", f"{private}\0{eve.document}")
    ]
    for _ in range(MESSAGES):
        content = damaged(rng, message(rng, eve)) if rng.random() < 0.3 else message(rng, eve)
        if isinstance(eve, RawProvider):
            key = rng.choice(keys) if rng.random() < 0.15 else eve.key
            if rng.random() < 0.1:
                content = token_message(
                    rng.choice([eve.token or "", "", "x" * 100, token("eve", {private: "reader"}, aud="no")])
                )
            whole = key + content
            await eve.send_bare(damaged(rng, whole) if rng.random() < 0.1 else whole)
        elif rng.random() < 0.1:
            cuts = sorted(rng.randrange(len(content) + 1) for _ in range(3))
            await eve.send([content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)])
        else:
            await eve.send(content)
    assert provider or eve.connected or eve.ended
    match rng.randrange(3):
        case 0:
            # Half a frame, and gone.
            eve.socket.transport.write(b"\x82\xfe\xff\xff\x00\x00\x00\x00" + bytes(rng.randrange(100)))
            await eve.drop()
        case 1:
            await eve.drop()
        case 2:
            await eve.close()


@pytest.mark.parametrize("dialect", [RawClient, RawSweet, RawParty, RawJupyter, RawProvider])
async def test_what_an_editor_damages_is_the_same_for_everybody(
    jwt_server: ServerProcess, feed: httpx.AsyncClient, document: str, rng: Random, dialect: type[RawClient]
) -> None:
    private = f"{document}-private"
    async with all_stays_well(jwt_server, feed, document, private):
        for _ in range(VISITS):
            eve = dialect(jwt_server, document, token=token("eve", {document: "editor"}))
            try:
                with suppress(Disconnected):
                    await visit(rng, eve, private)
            finally:
                with suppress(Disconnected, asyncio.CancelledError):
                    await eve.close()
