"""Processes for heavy work: bounded in time, memory and number, and never the server's end."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from collab.errors import BadFile, LimitExceeded, RoomClosed, SlowConsumer
from tests.support import eventually
from web.workers import WorkerFailed, WorkerLimits, Workers

STRANGE = "tests.web.strange_worker"


def strange(**limits: float) -> Workers:
    return Workers(WorkerLimits(**limits), module=STRANGE)  # type: ignore[arg-type]


def workers_running() -> int:
    """Processes of strange workers that are children of this one."""
    found = 0
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            # The same tests may run in another process beside this one.
            found += parent == os.getpid() and STRANGE.encode() in (directory / "cmdline").read_bytes()
    return found


async def test_work_comes_back_with_progress() -> None:
    steps: list[tuple[str, int, int]] = []
    data = bytes(3_000_000)
    assert await strange().run("count", data, lambda *step: steps.append(step)) == data
    assert steps == [("steps", step, 3) for step in range(3)]


@pytest.mark.parametrize(
    ("task", "limits"),
    [("spin", {"cpu_seconds": 1}), ("sleep", {"seconds": 0.5}), ("hoard", {"memory_bytes": 2**30}), ("crash", {})],
)
async def test_work_that_takes_too_much_ends_with_an_error_of_its_own(task: str, limits: dict[str, float]) -> None:
    with pytest.raises(LimitExceeded):
        await strange(**limits).run(task, b"")
    assert workers_running() == 0


async def test_a_bug_in_a_worker_is_a_fault_of_ours_with_its_traceback() -> None:
    with pytest.raises(WorkerFailed, match="a bug of ours"):
        await strange().run("fail", b"")


async def test_what_the_work_found_wrong_is_said() -> None:
    with pytest.raises(BadFile, match="not JSON"):
        await Workers(WorkerLimits()).run("read", b"{", format="json", document_bytes_max=1000)


async def test_no_worker_outlives_whoever_waits_for_it() -> None:
    task = asyncio.create_task(strange().run("sleep", b""))
    await eventually(workers_running, "a running worker")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert workers_running() == 0


async def test_no_more_run_than_may_and_no_more_wait_than_may() -> None:
    workers = strange(at_once=1, waiting_max=2)
    waiting = [asyncio.create_task(workers.run("sleep", b"")) for _ in range(2)]
    await eventually(workers_running, "a running worker")
    with pytest.raises(SlowConsumer):
        await workers.run("count", b"")
    assert workers_running() == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await workers.run("count", b"x") == b"x"


async def test_a_server_that_ends_takes_no_more_work() -> None:
    workers = strange()
    workers.close()
    with pytest.raises(RoomClosed):
        await workers.run("count", b"")


async def test_a_worker_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_DATABASE_URL", "postgresql+asyncpg://somebody:swordfish@db/coscribe")
    assert b"swordfish" not in await strange().run("environment", b"")
