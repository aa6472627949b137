"""Message 102 is echoed only after the commit: SIGKILL at any moment loses nothing that was acknowledged."""

import asyncio
from random import Random

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import items_of, replay
from tests.e2e.writers import Writer, check_promises, write_until_cut_off
from tests.servers import ServerProcess, StartServer

pytestmark = pytest.mark.xdist_group("kill")

KILLS = 100
KILLS_PER_DOCUMENT = 10
"""Then the writers go on with new documents, so that the time per kill stays the same."""
DOCUMENTS = 2
WRITERS_PER_DOCUMENT = 4
LOAD_SECONDS = (0.05, 0.3)


async def verify(
    server: ServerProcess, http: httpx.AsyncClient, writers: list[Writer], *, seqs: dict[str, int]
) -> None:
    """Every document holds what its writers were promised: in the feed, and for a client that comes new.

    `seqs` has the last seq seen of each document; no row that was once readable may be gone.
    """
    for document in {writer.document for writer in writers}:
        rows = await read_all(http, server, document)
        assert len(rows) >= seqs.get(document, 0), "committed rows are gone"
        seqs[document] = len(rows)
        replayed = replay(row.payload for row in rows)
        check_promises(replayed, [writer for writer in writers if writer.document == document])
        async with RawClient(server, document) as newcomer:
            assert items_of(newcomer.doc) == items_of(replayed), "a new client got something else than the log has"


@pytest.mark.timeout(900)
async def test_no_acknowledged_update_is_missing_after_100_kills_at_random_moments(
    start_server: StartServer,
    database_url: str | None,
    http: httpx.AsyncClient,
    document: str,
    rng: Random,
) -> None:
    server = await asyncio.to_thread(start_server, database_url)
    everybody: list[Writer] = []
    seqs: dict[str, int] = {}
    cut_off = 0  # edits that were on their way when the server died

    for first_kill in range(0, KILLS, KILLS_PER_DOCUMENT):
        writers = [
            Writer(f"w{n}", server, f"{document}/{first_kill}/{n % DOCUMENTS}", Random(rng.random()))
            for n in range(DOCUMENTS * WRITERS_PER_DOCUMENT)
        ]
        everybody += writers
        for _ in range(KILLS_PER_DOCUMENT):
            await asyncio.gather(*(writer.connect() for writer in writers))
            writing = asyncio.create_task(write_until_cut_off(writers))
            await asyncio.sleep(rng.uniform(*LOAD_SECONDS))  # not a wait: it chooses the moment of the kill
            await asyncio.to_thread(server.kill9)
            await writing
            cut_off += sum(writer.account.unacknowledged for writer in writers)
            await asyncio.to_thread(server.start)
            # Before the writers come back: they would heal a loss with what they still have.
            await verify(server, http, writers, seqs=seqs)

        await asyncio.gather(*(writer.connect() for writer in writers))
        await asyncio.gather(*(writer.catch_up() for writer in writers))
        await asyncio.gather(*(writer.close() for writer in writers))
        assert all(writer.account.unacknowledged == 0 for writer in writers)

    await verify(server, http, everybody, seqs=seqs)
    acknowledged = sum(len(writer.account.acknowledged_inserts) for writer in everybody)
    assert acknowledged > 10 * KILLS, "hardly anything was acknowledged; the test shows nothing"
    assert cut_off > KILLS, "hardly anything was on its way when the server died; the test shows nothing"
