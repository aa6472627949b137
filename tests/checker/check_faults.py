"""A disk that takes two seconds, and a clock that jumps by a day: in `make check-system`. Full and broken disks, and
databases that are away, are in `tests/e2e/test_faults.py`.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.checker.system import require_strace
from tests.e2e.feed import read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append, items_of, replay
from tests.e2e.writers import Writer, check_promises
from tests.servers import StartServer
from tests.support import skip_or_fail

WRITERS = 6
_SYNC = "fsync,fdatasync"


@pytest.mark.timeout(180)
async def test_while_fsync_takes_two_seconds_people_go_on_seeing_each_other(
    start_server: StartServer, document: str
) -> None:
    server = await asyncio.to_thread(start_server)  # makes the database, so that the delay meets edits
    await asyncio.to_thread(server.terminate)
    delay = f"inject={_SYNC}:delay_enter=2000000:when=5+"
    server.prefix = [require_strace(), "-D", "-f", "-qq", "-o", os.devnull, "-e", f"trace={_SYNC}", "-e", delay]
    await asyncio.to_thread(server.start)
    async with RawClient(server, document) as anna, RawClient(server, document) as ben:
        seen_before_it_was_saved = 0
        for n in range(10):
            await anna.edit(append(f"item {n}"))
            marker = await anna.ask_saved()
            await ben.until(lambda n=n: f"item {n}" in items_of(ben.doc), "told of it")  # type: ignore[misc]
            seen_before_it_was_saved += anna.acknowledged < marker
            await anna.acknowledged_through(marker, within=30)
        assert seen_before_it_was_saved >= 5, "relaying waited for the disk"


@pytest.mark.timeout(180)
async def test_a_clock_that_jumps_by_a_day_changes_nothing(
    start_server: StartServer, tmp_path: Path, http: httpx.AsyncClient, document: str, rng: Random
) -> None:
    library = faketime_library()
    clock = tmp_path / "clock"
    clock.write_text("+0d")
    server = await asyncio.to_thread(start_server, executed=True)
    await asyncio.to_thread(server.terminate)
    server.add_environment(
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    await asyncio.to_thread(server.start)
    writers = [Writer(f"w{n}", server, document, Random(rng.random())) for n in range(WRITERS)]
    for jump in ("+1d", "-1d", "+0d"):
        await asyncio.gather(*(writer.connect() for writer in writers))
        await write_for_a_second(writers)
        clock.write_text(jump)
        await write_for_a_second(writers)
        await asyncio.gather(*(writer.catch_up() for writer in writers))
        replayed = replay(row.payload for row in await read_all(http, server, document))
        check_promises(replayed, writers)
        async with RawClient(server, document) as newcomer:
            assert items_of(newcomer.doc) == items_of(replayed)
        await asyncio.gather(*(writer.close() for writer in writers))
    assert all(writer.account.unacknowledged == 0 for writer in writers)
    days = {int(line[:2]) for line in await _days(http, server.document_url(document, "updates"))}
    assert len(days) >= 2, "the server's clock did not jump; the test shows nothing"


async def _days(http: httpx.AsyncClient, url: str) -> list[str]:
    """The day of the month of every row."""
    rows = (await http.get(url)).json()["updates"]
    return [row["at"][8:10] for row in rows]


async def write_for_a_second(writers: list[Writer]) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(writer.write_until_cut_off() for writer in writers)), 1.0)


def faketime_library() -> Path:
    found = sorted(Path("/usr/lib").glob("**/libfaketime.so.1"))
    if not found:
        skip_or_fail("libfaketime is not installed")
    return found[0]
