"""`coscribe serve` as a process: it answers, ends cleanly, and says in one line why it cannot start."""

import asyncio
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append, items_of, replay
from tests.servers import COMMAND, StartServer, environment, free_port
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

EDITS = 500
STOP_SECONDS = 5


async def test_serve_prints_its_address_and_answers_there(start_server: StartServer, http: httpx.AsyncClient) -> None:
    server = await asyncio.to_thread(start_server, executed=True)

    assert server.url in server.log.read_text()
    assert (await http.get(f"{server.url}/healthz")).status_code == 200
    assert (await http.get(f"{server.url}/readyz")).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_a_stop_signal_flushes_every_relayed_edit_and_ends_with_code_0(
    start_server: StartServer, http: httpx.AsyncClient, document: str, number: signal.Signals
) -> None:
    # A commit window this long leaves everything to the flush at the end.
    server = await asyncio.to_thread(start_server, executed=True, commit_window_ms=1000)
    async with RawClient(server, document) as writer, RawClient(server, document) as reader:
        for n in range(EDITS):
            await writer.edit(append(f"edit {n}"))
        await reader.until(lambda: len(items_of(reader.doc)) == EDITS, "told of every edit")

        stopped = time.monotonic()
        code = await asyncio.to_thread(server.interrupt if number == signal.SIGINT else server.terminate)
        assert time.monotonic() - stopped < STOP_SECONDS
        assert code == 0
        assert await writer.closed() == 1012, "clients must learn that the server restarts"

    await asyncio.to_thread(server.start)
    rows = await read_all(http, server, document)
    assert items_of(replay(row.payload for row in rows)) == [f"edit {n}" for n in range(EDITS)]


async def test_ctrl_c_ends_it_while_requests_and_edits_arrive(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server, executed=True)
    writer = await RawClient(server, document).connect()

    async def write() -> None:
        n = 0
        while True:
            n += 1
            await writer.edit(append(n))
            await writer.ask_saved()
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    await eventually(lambda: writer.acknowledged > 20, "acknowledged under load")
    assert await asyncio.to_thread(server.interrupt, STOP_SECONDS) == 0
    await asyncio.wait([writing])
    assert writing.exception() is not None, "the writer must have lost its connection"
    await writer.closed()

    await asyncio.to_thread(server.start)
    rows = await read_all(http, server, document)
    assert len(items_of(replay(row.payload for row in rows))) >= writer.acknowledged


def refused_start(directory: Path, port: int, data_dir: Path, database_url: str | None = None) -> str:
    """Run `coscribe serve`, which must fail at once; its stderr, checked to be one plain line."""
    done = subprocess.run(
        [COMMAND, "serve"],
        env=environment(port, data_dir, database_url, {}),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, f"one clear line, not:\n{done.stderr}"
    return lines[0]


def test_a_taken_port_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refused_start(tmp_path, port, tmp_path / "data")


def test_an_unwritable_data_directory_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    # Permissions do not stop root; a path that leads through a regular file stops everybody.
    (tmp_path / "file").write_text("not a directory")
    data_dir = tmp_path / "file" / "data"
    assert str(data_dir) in refused_start(tmp_path, free_port(), data_dir)


def test_an_unreachable_database_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://somebody:swordfish@127.0.0.1:{free_port()}/nothing"
    line = refused_start(tmp_path, free_port(), tmp_path / "data", url)
    assert "database" in line.lower()
    assert "swordfish" not in line, "the password must not be printed"
