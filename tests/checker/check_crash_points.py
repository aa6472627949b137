"""A server that dies at a named point has lost nothing that it acknowledged, and the checker finds nothing in a run."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.checker.plant import CRASH_POINTS
from tests.checker.run import Options, Run
from tests.checker.stage import PlantedServer
from tests.e2e.feed import read_all
from tests.e2e.replica import replay
from tests.e2e.writers import Writer, check_promises, write_until_cut_off
from tests.servers import ServerDied

pytestmark = pytest.mark.xdist_group("checker")

RUN_SECONDS = 5.0


@pytest.mark.parametrize("point", CRASH_POINTS)
async def test_dying_at_a_crash_point_loses_nothing(
    tmp_path: Path, http: httpx.AsyncClient, document: str, rng: Random, point: str
) -> None:
    server = PlantedServer(tmp_path)
    plants = [f"crash:{point}:{1 if point in ('migration', 'checkpoint') else 3}", "limit:checkpoint_rows=3"]
    writers = [Writer(f"w{n}", server, document, Random(rng.random())) for n in range(6)]
    try:
        with suppress(ServerDied):
            await asyncio.to_thread(server.start_planted, plants)
            await asyncio.gather(*(writer.connect() for writer in writers), return_exceptions=True)
            await write_until_cut_off([writer for writer in writers if writer.connected])
        assert await asyncio.to_thread(server.process.wait, 10) == -9, "it did not die at this point"
        await asyncio.to_thread(server.start_planted, [])
        if any(writer.account.acknowledged_inserts for writer in writers):
            check_promises(replay(row.payload for row in await read_all(http, server, document)), writers)
        await asyncio.gather(*(writer.connect() for writer in writers))
        await asyncio.gather(*(writer.catch_up() for writer in writers))
        assert all(writer.account.unacknowledged == 0 for writer in writers)
        await asyncio.gather(*(writer.close() for writer in writers))
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.timeout(180)
async def test_a_run_of_the_checker_finds_nothing(tmp_path: Path, seed: int) -> None:
    report = await Run(Options(seed, RUN_SECONDS, "sqlite", tmp_path, round_seconds=RUN_SECONDS)).execute()
    assert report.violation is None, report.violation
    assert report.acknowledged > 100
    assert report.readings > 20


@pytest.mark.timeout(180)
async def test_a_run_of_the_checker_finds_an_acknowledgement_that_came_too_early(tmp_path: Path, seed: int) -> None:
    options = Options(seed, 30, "sqlite", tmp_path, round_seconds=6, mutant="ack-before-commit", commit_window_ms=100)
    report = await Run(options).execute()
    assert report.violation is not None
    assert report.violation.invariant in ("honest acks", "no loss")
