"""Published clients of two languages and three versions in one room agree on every shared type."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from tests.e2e.feed import read_all
from tests.e2e.replica import Dump, canonical, dump, replay
from tests.interop.node import Node, NodeClient
from tests.interop.python_client import PythonClient
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

RTL = "שלום עולם — مرحبا بالعالم"
FAMILY = "👩‍👩‍👧‍👦"
EMOJI = f"{FAMILY}🧑🏽‍🚀 e\u0301 漢字"


@dataclass
class Room:
    """One client of each kind, all in one room."""

    document: str
    newest: NodeClient
    oldest: NodeClient
    python: PythonClient

    async def saved(self) -> None:
        await asyncio.gather(self.newest.saved(), self.oldest.saved(), self.python.saved())

    async def contents(self) -> list[Dump]:
        return [await self.newest.content(), await self.oldest.content(), self.python.content()]

    async def agree(self) -> Dump:
        """Wait until all three show the same and return it."""

        async def same() -> Dump | None:
            first, *others = await self.contents()
            return first if all(other == first for other in others) else None

        try:
            return await eventually(same, "one content for all three clients")
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(map(str, await self.contents()))) from None


# Not a fixture: pytest-asyncio ends those in another task, and the cancel scopes of anyio must end where they began.
@asynccontextmanager
async def one_room(server: ServerProcess, node: Node, document: str) -> AsyncIterator[Room]:
    async with AsyncExitStack() as stack:
        newest = await node.open("newest", server.ws_url, document, version=3)
        oldest = await node.open("oldest", server.ws_url, document, version=2)
        await asyncio.gather(newest.wait("synced"), oldest.wait("synced"))
        python = await stack.enter_async_context(PythonClient(server.ws_url, document))
        yield Room(document, newest, oldest, python)


async def check_everywhere(room: Room, server: ServerProcess, node: Node, http: httpx.AsyncClient) -> Dump:
    """All clients agree, and so does what the log replays to and what `content` gives, in Yjs and in pycrdt."""
    content = await room.agree()
    await room.saved()
    rows = [row.payload for row in await read_all(http, server, room.document)]
    whole = await http.get(server.document_url(room.document, "content"), params={"format": "yjs"})
    whole.raise_for_status()
    live = await room.newest.state()
    for updates in (rows, [whole.content]):
        in_yjs = await node.replay(updates)
        assert in_yjs.replica == live.replica
        assert not in_yjs.pending
        assert canonical(dump(replay(updates))) == content
    return content


def utf16_length(text: str) -> int:
    """Yjs counts positions in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def utf8_length(text: str) -> int:
    """pycrdt counts positions in UTF-8 bytes."""
    return len(text.encode())


async def test_text_with_formatting_embeds_emoji_and_right_to_left_script(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str
) -> None:
    async with one_room(server, node, document) as room:
        text = ["text"]
        await room.newest.edit({"op": "insertText", "at": text, "index": 0, "text": f"{RTL}\n{EMOJI}\n"})
        await room.agree()
        await room.oldest.edit(
            {"op": "formatText", "at": text, "index": 0, "length": 4, "attributes": {"bold": True}},
            {
                "op": "formatText",
                "at": text,
                "index": 2,
                "length": 6,
                "attributes": {"link": {"href": "https://example"}},
            },
            {"op": "embed", "at": text, "index": 4, "value": {"image": "a.png"}, "attributes": {"width": 3}},
        )
        await room.agree()
        shared: Text = room.python.doc.get("text", type=Text)
        shared.insert(0, f"{EMOJI} ", {"italic": True})
        shared.format(0, utf8_length(FAMILY), {"bold": True})
        await room.agree()
        # All three at once, at the same place, and one takes away what another decorates.
        shared.insert(utf8_length(EMOJI), RTL)
        await asyncio.gather(
            room.newest.edit(
                {"op": "insertText", "at": text, "index": utf16_length(EMOJI), "text": "🦊", "attributes": {"code": {}}}
            ),
            room.oldest.edit({"op": "formatText", "at": text, "index": 0, "length": 9, "attributes": {"italic": None}}),
        )

        content = await check_everywhere(room, server, node, http)
        written = "".join(item for item, _ in content["text"]["text"] if isinstance(item, str))
        assert written.count(EMOJI) == 2
        assert written.count("🦊") == 1
        assert {"embed": {"image": "a.png"}} in [item for item, _ in content["text"]["text"]]


async def test_map_and_array(server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str) -> None:
    async with one_room(server, node, document) as room:
        values = [1, -2.5, "𝒳", True, None, {"k": [1, {"deep": "ok"}]}, 2**40]
        await room.newest.edit(
            {"op": "insert", "at": ["array"], "index": 0, "values": values},
            *({"op": "set", "at": ["map"], "key": f"key {n} {RTL}", "value": value} for n, value in enumerate(values)),
        )
        await room.agree()
        # Three clients set the same key and insert at the same place.
        array: Array[Any] = room.python.doc.get("array", type=Array)
        array.insert(1, "python")
        room.python.doc.get("map", type=Map)["contested"] = "python"
        await asyncio.gather(
            room.newest.edit(
                {"op": "insert", "at": ["array"], "index": 1, "values": ["newest"]},
                {"op": "set", "at": ["map"], "key": "contested", "value": "newest"},
            ),
            room.oldest.edit(
                # What stands first whether or not the others' edits are here already: relaying takes a millisecond.
                {"op": "delete", "at": ["array"], "index": 0, "length": 1},
                {"op": "set", "at": ["map"], "key": "contested", "value": "oldest"},
                {"op": "unset", "at": ["map"], "key": f"key 0 {RTL}"},
            ),
        )

        content = await check_everywhere(room, server, node, http)
        assert content["map"]["map"]["contested"] in ("python", "newest", "oldest")
        assert f"key 0 {RTL}" not in content["map"]["map"]
        assert {"python", "newest"} < {item for item in content["array"]["array"] if isinstance(item, str)}
        assert values[-1] in content["array"]["array"]
        assert 1 not in [item for item in content["array"]["array"] if item is not True]


async def test_xml_fragment(server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str) -> None:
    async with one_room(server, node, document) as room:
        paragraph = {"$element": "paragraph", "attributes": {"id": "1"}, "children": [{"$xmlText": f"{RTL} {EMOJI}"}]}
        await room.newest.edit({"op": "insert", "at": ["xml"], "index": 0, "values": [paragraph, {"$element": "rule"}]})
        await room.agree()
        await room.oldest.edit(
            {"op": "set", "at": ["xml", 0], "key": "class", "value": "lead"},
            {"op": "formatText", "at": ["xml", 0, 0], "index": 0, "length": 4, "attributes": {"em": {}}},
            {"op": "delete", "at": ["xml"], "index": 1, "length": 1},
        )
        fragment: XmlFragment = room.python.doc.get("xml", type=XmlFragment)
        quote = fragment.children.append(XmlElement("quote", {"by": "python"}))
        quote.children.append(XmlText(EMOJI))
        await room.agree()
        first = fragment.children[0]
        assert isinstance(first, XmlElement)
        first.attributes["id"] = "2"
        await room.newest.edit({"op": "unset", "at": ["xml", 1], "key": "by"})

        content = await check_everywhere(room, server, node, http)
        lead, quoted = content["xml"]["fragment"]
        assert lead["attributes"] == {"id": "2", "class": "lead"}
        assert lead["children"][0]["text"][0] == [RTL[:4], {"em": {}}]
        assert quoted == {"element": "quote", "attributes": {}, "children": [{"text": [[EMOJI, {}]]}]}


async def test_types_nested_in_types(server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str) -> None:
    async with one_room(server, node, document) as room:
        board = {"$map": {"columns": {"$array": [{"$map": {"title": {"$text": EMOJI}, "cards": {"$array": []}}}]}}}
        await room.newest.edit({"op": "set", "at": ["map"], "key": "board", "value": board})
        await room.agree()
        cards = ["map", "board", "columns", 0, "cards"]
        column: Map[Any] = room.python.doc.get("map", type=Map)["board"]["columns"][0]
        column["title"].insert(utf8_length(EMOJI), RTL, {"bold": True})
        column["cards"].append(Map({"by": "python", "tags": Array(["a", "b"])}))
        await asyncio.gather(
            room.oldest.edit({"op": "insert", "at": cards, "index": 0, "values": [{"$map": {"by": "oldest"}}]}),
            room.newest.edit(
                {"op": "insert", "at": cards, "index": 0, "values": [{"$map": {"by": "newest"}}]},
                {"op": "insertText", "at": ["map", "board", "columns", 0, "title"], "index": 0, "text": "→"},
            ),
        )
        content = await room.agree()
        assert len(content["map"]["map"]["board"]["map"]["columns"]["array"]) == 1
        # One replaces the whole column while another still edits in it.
        column["cards"].append("late")
        await room.oldest.edit({"op": "set", "at": ["map"], "key": "board", "value": {"$text": "gone"}})

        content = await check_everywhere(room, server, node, http)
        assert content["map"]["map"]["board"] == {"text": [["gone", {}]]}


async def test_thousands_of_random_edits_by_two_versions_while_python_listens(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str, seed: int
) -> None:
    async with one_room(server, node, document) as room:
        for turn in range(5):
            await asyncio.gather(
                room.newest.edit_randomly(seed=seed + turn, count=200, tag=f"n{turn}"),
                room.oldest.edit_randomly(seed=seed + turn + 1000, count=200, tag=f"o{turn}"),
            )
        content = await check_everywhere(room, server, node, http)
        assert content["array"]["array"], "the edits left nothing to compare"


async def test_a_document_written_in_pycrdt_alone_opens_in_yjs(
    server: ServerProcess, node: Node, document: str
) -> None:
    async with PythonClient(server.ws_url, document) as python:
        doc: Doc[Any] = python.doc
        with doc.transaction():
            doc.get("text", type=Text).insert(0, f"{EMOJI}{RTL}", {"bold": True})
            doc.get("map", type=Map)["list"] = Array([1, Text("nested")])
        await python.saved()
        expected = python.content()
    newcomer = await node.open("newcomer", server.ws_url, document)
    await newcomer.wait("synced")
    state = await newcomer.state()
    assert state.content == expected
    assert not state.pending
