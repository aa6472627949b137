"""Copies that do not belong to the document: of another epoch, or filled before they had synced."""

import asyncio

import httpx
import pytest

from tests.e2e import wire
from tests.e2e.metrics import read_metrics
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append, items_of
from tests.servers import ServerProcess, StartServer

pytestmark = pytest.mark.xdist_group("clients")

EPOCH = 104
OTHER = 4409


def told(client: RawClient) -> list[str]:
    """Epochs that the server has named; it must have done so before anything else."""
    epochs = [message.payload.decode() for message in client.received if message.kind == EPOCH]
    assert not epochs or client.received[0].kind == EPOCH
    return epochs


async def epoch_of(http: httpx.AsyncClient, server: ServerProcess, document: str) -> str:
    epoch: str = (await http.get(server.document_url(document))).json()["epoch"]
    return epoch


async def test_who_names_an_epoch_is_told_the_documents_and_let_in_only_with_that(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    async with RawClient(server, f"{document}?epoch=") as first:
        await first.edit(append("mine"))
        await first.saved()
        epoch = await epoch_of(http, server, document)
        assert told(first) == [epoch]
    async with RawClient(server, f"{document}?epoch={epoch}", first.doc) as again:
        await again.saved()
        assert told(again) == [epoch]

    stranger = RawClient(server, f"{document}?epoch=0123456789abcdef")
    stranger.change(append("from another life"))
    await stranger.connect(sync=False)
    assert await stranger.closed() == OTHER
    assert told(stranger) == [epoch]
    async with RawClient(server, document) as stock:
        assert items_of(stock.doc) == ["mine"]
        assert told(stock) == [], "a stock client would complain of a message it does not know"


async def test_a_document_that_is_gone_comes_back_in_the_epoch_of_those_who_have_it(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    epoch = "0123456789abcdef" * 2
    one = RawClient(server, f"{document}?epoch={epoch}")
    one.change(append("kept by one"))
    async with one, RawClient(server, f"{document}?epoch={epoch}", one.doc) as another:
        await one.saved()
        await another.saved()
    assert await epoch_of(http, server, document) == epoch
    async with RawClient(server, document) as newcomer:
        assert items_of(newcomer.doc) == ["kept by one"]


async def test_a_copy_that_was_filled_before_it_synced_is_noticed_and_merged(
    server: ServerProcess, http: httpx.AsyncClient, document: str
) -> None:
    before = (await read_metrics(http, server))["coscribe_unrelated_total"]
    async with RawClient(server, document) as author:
        await author.edit(append("text"))
        await author.saved()
    for _ in range(2):
        async with RawClient(server, document, author.doc) as regular:
            await regular.edit(append("more"))
            await regular.saved()
    async with RawClient(server, document) as newcomer:
        await newcomer.saved()
    assert (await read_metrics(http, server))["coscribe_unrelated_total"] == before
    assert document not in server.log_tail()

    filled = RawClient(server, document)
    filled.change(append("text"))
    async with filled:
        await filled.saved()
    assert items_of(filled.doc).count("text") == 2
    assert (await read_metrics(http, server))["coscribe_unrelated_total"] == before + 1
    assert "shares nothing with the document" in server.log_tail()
    assert document in server.log_tail()


async def test_a_copy_that_was_filled_before_it_synced_is_refused_where_that_is_wanted(
    start_server: StartServer, document: str
) -> None:
    server = await asyncio.to_thread(start_server, refuse_unrelated="true")
    async with RawClient(server, document) as author:
        await author.edit(append("text"))
        await author.saved()
    filled = RawClient(server, document)
    filled.change(append("text"))
    await filled.connect(sync=False)
    await filled.send(wire.step1(filled.doc.get_state()))
    assert await filled.closed() == OTHER
    async with RawClient(server, document, author.doc) as regular:
        await regular.edit(append("more"))
        await regular.saved()
    async with RawClient(server, document) as newcomer:
        assert items_of(newcomer.doc) == ["text", "more"]
