"""What the server does when something round it fails: it says so, loses nothing acknowledged, and goes on alone.

`make outage` runs the outages of a database at their full length.
"""

import asyncio
import contextlib
import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
from websockets.exceptions import InvalidHandshake, InvalidMessage

from tests.checker.postgres import cluster as postgres_cluster
from tests.e2e.feed import read_all
from tests.e2e.metrics import read_metrics
from tests.e2e.raw_client import Disconnected, RawClient
from tests.e2e.replica import append, items_of, replay
from tests.e2e.writers import Writer, check_promises
from tests.servers import ServerProcess, StartServer
from tests.support import eventually, skip_or_fail

pytestmark = pytest.mark.xdist_group("faults")

OUTAGE_SECONDS = float(os.environ.get("COSCRIBE_TEST_OUTAGE_SECONDS", "3"))
WRITERS = 20
DOCUMENTS = 4
PACE_SECONDS = 0.1
"""Between two edits of one writer: together 200 edits a second."""
EXIT_SECONDS = 10
TRY_AGAIN = 1013
BROKEN = 1011

Switch = Callable[[], Awaitable[None]]


@asynccontextmanager
async def fragile_server(
    start_server: StartServer, database_url: str | None, **settings: object
) -> AsyncIterator[tuple[ServerProcess, Switch, Switch]]:
    """A server, what takes its database away, and what gives it back.

    PostgreSQL is stopped as by `pg_ctl stop -m immediate`. SQLite: another program holds the lock.
    """
    if database_url is None:
        server = await asyncio.to_thread(start_server, **settings)
        with contextlib.closing(
            sqlite3.connect(server.data_dir / "coscribe.db", isolation_level=None, check_same_thread=False, timeout=30)
        ) as other:

            async def lock() -> None:
                await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")

            async def unlock() -> None:
                other.execute("ROLLBACK")

            yield server, lock, unlock
        return
    with postgres_cluster() as cluster:
        url = cluster.url.render_as_string(hide_password=False)

        async def stop() -> None:
            await asyncio.to_thread(cluster.stop_immediately)

        async def start() -> None:
            await asyncio.to_thread(cluster.start)

        yield await asyncio.to_thread(start_server, url, **settings), stop, start


async def status(http: httpx.AsyncClient, server: ServerProcess) -> tuple[int, str]:
    """What /readyz says."""
    response = await http.get(f"{server.url}/readyz")
    return response.status_code, response.json().get("reason", "")


async def is_unready(http: httpx.AsyncClient, server: ServerProcess) -> bool:
    return (await status(http, server))[0] == 503


async def is_ready(http: httpx.AsyncClient, server: ServerProcess) -> bool:
    return (await status(http, server))[0] == 200


async def nothing_unsaved(http: httpx.AsyncClient, server: ServerProcess) -> bool:
    return (await read_metrics(http, server))["coscribe_unsaved_bytes"] == 0


def lines_of(server: ServerProcess, text: str) -> int:
    return server.log.read_text().count(text)


@pytest.mark.timeout(60 + 4 * OUTAGE_SECONDS)
async def test_while_the_database_is_away_people_edit_nothing_is_called_saved_and_all_is_stored_once_afterwards(
    start_server: StartServer, database_url: str | None, http: httpx.AsyncClient, document: str, rng: Random
) -> None:
    async with fragile_server(start_server, database_url) as (server, take_away, give_back):
        writers = [Writer(f"w{n}", server, f"{document}/{n % DOCUMENTS}", Random(rng.random())) for n in range(WRITERS)]
        await asyncio.gather(*(writer.connect() for writer in writers))
        witness = await RawClient(server, f"{document}/0").connect()
        stop = asyncio.Event()

        async def write(writer: Writer) -> None:
            while not stop.is_set():
                await writer.write()
                await asyncio.sleep(PACE_SECONDS * rng.uniform(0.5, 1.5))  # not a wait: people type at a pace

        writing = [asyncio.create_task(write(writer)) for writer in writers]
        await eventually(lambda: all(writer.acknowledged > 2 for writer in writers), "everybody has something saved")

        await take_away()
        await eventually(lambda: is_unready(http, server), "known not to be ready", within=20)
        before = [writer.acknowledged for writer in writers]
        seen = len(items_of(witness.doc))
        await asyncio.sleep(OUTAGE_SECONDS)  # not a wait: it is how long the outage lasts
        assert [writer.acknowledged for writer in writers] == before, "acknowledged without a database"
        assert len(items_of(witness.doc)) > seen, "people in a room no longer see each other's edits"
        assert (await read_metrics(http, server))["coscribe_unsaved_bytes"] > 0
        assert (await status(http, server))[0] == 503
        assert lines_of(server, "edits cannot be saved just now") == 1

        await give_back()
        await eventually(lambda: is_ready(http, server), "ready again", within=30)
        stop.set()
        await asyncio.gather(*writing)
        await asyncio.gather(*(writer.catch_up() for writer in writers))
        assert all(writer.connected for writer in writers), "somebody was disconnected"
        assert lines_of(server, "everything is saved again") == 1
        assert all(writer.acknowledged > count for writer, count in zip(writers, before, strict=True))
        await asyncio.gather(*(writer.close() for writer in writers), witness.close())

        await asyncio.to_thread(server.kill9)
        await asyncio.to_thread(server.start)
        for name in sorted({writer.document for writer in writers}):
            stored = replay(row.payload for row in await read_all(http, server, name))
            check_promises(stored, [writer for writer in writers if writer.document == name])
            async with RawClient(server, name) as newcomer:
                assert items_of(newcomer.doc) == items_of(stored)


async def test_more_than_can_be_kept_in_memory_is_turned_away_and_comes_back(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    async with fragile_server(start_server, None, unsaved_bytes_max=20_000) as (server, take_away, give_back):
        writer = await RawClient(server, document).connect()
        await writer.edit(append("before"))
        await writer.saved()
        await take_away()
        await until_cut_off(writer, "x" * 1000, RawClient.sync)
        assert await writer.closed() == TRY_AGAIN
        assert writer.acknowledged == writer.asked == 1
        assert (await http.get(f"{server.url}/healthz")).status_code == 200
        await give_back()
        await eventually(lambda: nothing_unsaved(http, server), "what it kept is saved", within=20)
        await writer.connect()
        await writer.saved()
        rows = await read_all(http, server, document)
        assert items_of(replay(row.payload for row in rows)) == items_of(writer.doc)
        await writer.close()


async def test_told_to_stop_while_the_database_is_away_it_ends_in_time_and_does_not_pretend(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    async with fragile_server(start_server, None) as (server, take_away, give_back):
        writer = await RawClient(server, document).connect()
        await writer.edit(append("saved"))
        await writer.saved()
        await take_away()
        await writer.edit(append("not saved"))
        await writer.ask_saved()
        await writer.sync()
        stopped = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert await writer.closed(within=EXIT_SECONDS) == 1012
        assert await asyncio.to_thread(server.process.wait, EXIT_SECONDS) == 1
        assert time.monotonic() - stopped < EXIT_SECONDS
        assert "did not take the last" in server.log_tail()
        assert writer.acknowledged == 1
        await give_back()
    await asyncio.to_thread(server.start)
    await writer.connect()
    await writer.saved()
    assert items_of(replay(row.payload for row in await read_all(http, server, document))) == ["saved", "not saved"]
    await writer.close()


async def test_a_restart_in_the_middle_of_handshakes_leaves_nobody_behind_and_nobody_misled(
    start_server: StartServer, document: str, rng: Random
) -> None:
    server = await asyncio.to_thread(start_server)
    async with RawClient(server, document) as author:
        for n in range(20):
            await author.edit(append(n))
        await author.saved()
        complete = items_of(author.doc)
    refused = 0

    async def come_back_until(stop: asyncio.Event) -> None:
        """Connect and leave again and again; whoever is told to be in sync must have everything."""
        nonlocal refused
        while not stop.is_set():
            client = RawClient(server, document)
            try:
                await client.connect()
            except (Disconnected, InvalidHandshake, InvalidMessage, OSError):
                refused += 1
                await asyncio.sleep(rng.uniform(0, 0.05))  # not a wait: it spreads the clients
                continue
            assert items_of(client.doc) == complete
            await client.drop()

    stop = asyncio.Event()
    coming = [asyncio.create_task(come_back_until(stop)) for _ in range(12)]
    for _ in range(2):
        await asyncio.to_thread(server.restart)
        await asyncio.to_thread(server.kill9)
        await asyncio.to_thread(server.start)
    stop.set()
    await asyncio.gather(*coming)
    assert refused > 0, "no handshake met a restart; the test shows nothing"
    async with RawClient(server, document) as newcomer:
        assert items_of(newcomer.doc) == complete


# -- the machine ---------------------------------------------------------------------------------------------------


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        skip_or_fail(f"{name} is not installed")
    return path


def require(prefix: list[str]) -> None:
    """Skip the test where programs cannot be started like this."""
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip_or_fail(f"`{' '.join(prefix)}` is not possible here: {done.stderr.strip()}")


def give_no_more_than(server: ServerProcess, more_bytes: int) -> None:
    """Limit the server's address space to what it has, and so much more."""
    used = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (used + more_bytes, used + more_bytes))


async def until_cut_off(writer: RawClient, item: str, after_each: Callable[[RawClient], Awaitable[None]]) -> None:
    """Append numbered items until the connection ends."""
    with contextlib.suppress(Disconnected):
        for n in itertools.count():
            await writer.edit(append(f"{n:06} {item}"))
            await after_each(writer)


async def test_a_full_disk_is_said_withheld_and_survived(
    start_server: StartServer, http: httpx.AsyncClient, document: str, tmp_path: Path
) -> None:
    """The data directory is a file system of 4 MiB, in a mount namespace of the server's own.

    Once, a COMMIT that failed left its transaction open, and the server could never save again.
    """
    data_dir = tmp_path / "server-0" / "data"
    await asyncio.to_thread(data_dir.mkdir, parents=True)
    script = f'mount -t tmpfs -o size=4m tmpfs "{data_dir}" && exec "$@"'
    namespace = [tool("unshare"), "--mount", "--map-root-user"]
    await asyncio.to_thread(require, namespace)
    server = await asyncio.to_thread(start_server, prefix=[*namespace, "sh", "-ec", script, "-"])
    inside = Path(f"/proc/{server.process.pid}/root{data_dir}")
    writer = await RawClient(server, document).connect()
    await writer.edit(append("before"))
    await writer.saved()

    def fill() -> None:
        with contextlib.suppress(OSError), (inside / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 512)

    await asyncio.to_thread(fill)
    asked = 1
    while not await is_unready(http, server):  # the WAL still has room for some
        await writer.edit(append("x" * 1000))
        asked = await writer.ask_saved()
        await writer.sync()
    assert "full" in (await status(http, server))[1]
    assert writer.acknowledged < asked
    assert lines_of(server, "edits cannot be saved just now") == 1
    assert "is full" in server.log_tail()
    assert not writer.ended

    await asyncio.to_thread((inside / "filler").unlink)
    await writer.acknowledged_through(asked)
    await eventually(lambda: is_ready(http, server), "ready again")
    rows = await read_all(http, server, document)
    assert items_of(replay(row.payload for row in rows)) == items_of(writer.doc)
    await writer.close()


async def test_after_a_failed_fsync_it_acknowledges_nothing_says_1011_and_ends_with_1(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server)  # makes the database, so that the failure meets an edit
    await asyncio.to_thread(server.terminate)
    calls = "fsync,fdatasync"
    inject = f"inject={calls}:error=EIO:when=30+"
    server.prefix = [tool("strace"), "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject]
    await asyncio.to_thread(server.start)
    writer = await RawClient(server, document).connect()
    await until_cut_off(writer, "x", RawClient.saved)
    assert await writer.closed() == BROKEN
    assert writer.acknowledged > 0
    acknowledged = items_of(writer.doc)[: writer.acknowledged]
    assert await asyncio.to_thread(server.process.wait, EXIT_SECONDS) == 1
    assert "nothing can be saved any more" in server.log_tail()

    server.prefix = ()
    await asyncio.to_thread(server.start)
    rows = await read_all(http, server, document)
    assert items_of(replay(row.payload for row in rows))[: len(acknowledged)] == acknowledged


async def test_without_file_descriptors_those_who_are_there_go_on_and_the_log_says_it_once(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server, prefix=[tool("prlimit"), "--nofile=60:60"])
    writer = await RawClient(server, document).connect()
    crowd: list[RawClient] = []
    with contextlib.suppress(InvalidMessage, OSError):
        while True:
            crowd.append(await RawClient(server, document).connect())
    assert len(crowd) > 10
    await eventually(lambda: lines_of(server, "out of file descriptors"), "said")
    await writer.edit(append("although it is full"))
    await writer.saved()
    for _ in range(3):
        with pytest.raises((InvalidMessage, OSError)):
            await RawClient(server, document).connect()
    await asyncio.gather(*(client.close() for client in crowd))
    await eventually(lambda: lines_of(server, "there are file descriptors again"), "said")
    assert lines_of(server, "out of file descriptors") == 1
    async with RawClient(server, document) as newcomer:
        assert items_of(newcomer.doc) == ["although it is full"]
    assert (await http.get(f"{server.url}/readyz")).status_code == 200
    await writer.close()


async def test_out_of_memory_it_refuses_or_dies_and_loses_nothing_it_acknowledged(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    give_no_more_than(server, 60 * 1024 * 1024)
    writer = await RawClient(server, document).connect()
    await until_cut_off(writer, "x" * 200_000, RawClient.saved)
    await writer.closed()
    acknowledged = items_of(writer.doc)[: writer.acknowledged]
    assert len(acknowledged) > 3
    with contextlib.suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(server.process.wait, 3)
    if server.process.poll() is None:
        await asyncio.to_thread(server.kill9)

    await asyncio.to_thread(server.start)
    async with RawClient(server, document) as newcomer:
        assert items_of(newcomer.doc)[: len(acknowledged)] == acknowledged
    assert len(await read_all(http, server, document)) >= len(acknowledged)
