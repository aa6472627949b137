"""Clients whose editor does not know what documents may hold by now: they only read, and lose nothing by it."""

import json

import pytest

from tests.e2e import wire
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append, items_of
from tests.servers import ServerProcess, StartServer

pytestmark = pytest.mark.xdist_group("clients")

ROLE, SCHEMA = 103, 105


def versions(client: RawClient) -> list[int]:
    """What the server has said of the document."""
    return [wire.read_varuint(message.payload)[0] for message in client.received if message.kind == SCHEMA]


def roles(client: RawClient) -> list[str]:
    return [json.loads(message.payload)["role"] for message in client.received if message.kind == ROLE]


def refusals(client: RawClient) -> int:
    return sum(message.kind == wire.AUTH for message in client.received)


async def test_an_older_writer_becomes_a_reader_when_a_newer_one_comes(server: ServerProcess, document: str) -> None:
    older = RawClient(server, f"{document}?epoch=&schema=3")
    async with older, RawClient(server, document) as stock:
        await older.send(bytes((ROLE, 0)))
        await older.edit(append("before"))
        await older.saved()
        assert versions(older) == [3]
        async with RawClient(server, f"{document}?schema=4") as newer:
            assert versions(newer) == [4]
            await older.until(lambda: roles(older) == ["owner", "reader"], "a reader")
            assert versions(older) == [3, 4]
            await older.edit(append("too late"))
            await older.until(lambda: refusals(older) == 2, "refused")
            await newer.edit(append("newer"))
            await newer.saved()
            # Whose editor is none of the web app's writes as ever.
            await stock.edit(append("stock"))
            await stock.saved()
            assert versions(stock) == []
    async with RawClient(server, document) as newcomer:
        assert sorted(items_of(newcomer.doc)) == ["before", "newer", "stock"]


async def test_what_waits_in_an_older_copy_is_sent_by_the_newer_version(server: ServerProcess, document: str) -> None:
    async with RawClient(server, f"{document}?schema=4") as newer:
        await newer.edit(append("first"))
        await newer.saved()
    copy = RawClient(server, f"{document}?schema=3")
    copy.change(append("written offline"))
    async with copy:
        await copy.until(lambda: refusals(copy) == 1, "refused")
        assert versions(copy) == [4]
    async with RawClient(server, f"{document}?schema=4", copy.doc) as updated:
        await updated.saved()
    async with RawClient(server, document) as newcomer:
        assert sorted(items_of(newcomer.doc)) == ["first", "written offline"]


async def test_the_version_outlives_the_server(start_server: StartServer) -> None:
    server = start_server()
    async with RawClient(server, "plans?schema=7") as newer:
        assert versions(newer) == [7]
    server.kill9()
    server.start()
    async with RawClient(server, "plans?schema=6") as older:
        assert versions(older) == [7]
        await older.edit(append("x"))
        await older.until(lambda: refusals(older) == 1, "refused")
    for strange in ("", "x", "-1", "1" * 30):
        async with RawClient(server, f"plans?schema={strange}") as client:
            assert versions(client) == []
