"""Rule L2: what was acknowledged survives the process that acknowledged it."""

import asyncio
import random
import subprocess
import sys

import pytest

from storage.engine import Database
from tests.storage.edits import A, stored


@pytest.mark.rule("L2")
@pytest.mark.rule("E3")
async def test_rows_acknowledged_before_a_kill_are_there_afterwards(url: str, rng: random.Random) -> None:
    acknowledged = 0
    for _ in range(2):
        enough = acknowledged + rng.randint(1, 60)
        acknowledged = await asyncio.to_thread(append_and_kill, url, enough)
        async with await Database.open(url) as database:
            rows = await stored(database.log, A)
        assert len(rows) >= acknowledged
        assert rows == [b"%d" % seq for seq in range(1, len(rows) + 1)]


def append_and_kill(url: str, enough: int) -> int:
    """Let another process append until `enough` is acknowledged, kill it, and return the last acknowledged seq."""
    command = [sys.executable, "-m", "tests.storage.appender", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = 0
        while acknowledged < enough:
            acknowledged = int(process.stdout.readline())
        process.kill()
        return max([acknowledged, *map(int, process.stdout.read().split("\n")[:-1])])
