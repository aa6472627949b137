"""A real document's whole editing history, one update at a time, through the server and back."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Text, TransactionEvent

from collab.limits import RoomLimits
from tests.e2e import wire
from tests.e2e.feed import read_page
from tests.e2e.metrics import read_metrics
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import new_doc, text_of
from tests.servers import StartServer

pytestmark = pytest.mark.xdist_group("clients")

TRACE = Path(__file__).parent.parent / "data" / "automerge-paper.json.gz"
EDITS = 259_778
BREATH = 500
"""Updates sent between two looks at what the server sends back."""


def updates_of(trace: dict[str, Any]) -> Iterator[bytes]:
    """One Yjs update for each edit of the trace, as a client would emit it."""
    doc = new_doc()
    text = doc.get("text", type=Text)
    emitted: list[bytes] = []

    def observe(event: TransactionEvent) -> None:
        emitted.append(event.update)

    subscription = doc.observe(observe)
    for transaction in trace["txns"]:
        for position, deleted, inserted in transaction["patches"]:
            with doc.transaction():
                if deleted:
                    del text[position : position + deleted]
                if inserted:
                    text.insert(position, inserted)
        yield from emitted
        emitted.clear()
    doc.unobserve(subscription)


@pytest.mark.timeout(180)
async def test_a_paper_written_in_259778_updates_is_there_after_a_restart_and_loads_from_its_checkpoint(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    # Without a window there are more rows, however fast the machine: a load of all of them must show.
    server = await asyncio.to_thread(start_server, commit_window_ms=0)
    sent = 0
    async with RawClient(server, document) as client:
        for update in updates_of(trace):
            await client.send(wire.update(update))
            sent += 1
            if sent % BREATH == 0:
                await asyncio.sleep(0)
        assert sent == EDITS
        await client.saved(within=90)
    head = (await read_page(http, server, document, after=0)).head
    assert head > 100, "so few rows that loading them all would not show"

    await asyncio.to_thread(server.terminate)
    await asyncio.to_thread(server.start)
    async with RawClient(server, document) as newcomer:
        assert text_of(newcomer.doc) == trace["endContent"]
    metrics = await read_metrics(http, server)
    assert (metrics["coscribe_loads_total"], metrics["coscribe_checkpoints_loaded_total"]) == (1, 1)
    assert metrics["coscribe_rows_loaded_total"] <= min(RoomLimits().checkpoint_rows, head // 4), f"of {head} rows"
