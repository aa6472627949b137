"""Servers that people come from, run as published."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port
from tests.support import skip_or_fail

HERE = Path(__file__).parent
_READY_SECONDS = 20.0


def require_node() -> str:
    node = shutil.which("node")
    if node is None:
        skip_or_fail("Node is not installed, which runs the servers that people come from")
    if not (HERE / "node_modules" / "yjs").is_dir():
        skip_or_fail("the servers that people come from are not installed: run `python -m tests.setup`")
    return node


def run_script(name: str, *arguments: str) -> bytes:
    """Run a script beside this file; returns what it prints."""
    done = subprocess.run([require_node(), HERE / name, *arguments], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@contextmanager
def hocuspocus(database: Path) -> Iterator[str]:
    """Its address. When the block ends it has stored everything."""
    port = free_port()
    with _running([require_node(), str(HERE / "hocuspocus.mjs"), str(port), str(database)], port, {}):
        yield f"ws://127.0.0.1:{port}"


@contextmanager
def y_websocket(directory: Path) -> Iterator[str]:
    port = free_port()
    script = HERE / "node_modules" / "y-websocket" / "bin" / "server.cjs"
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "YPERSISTENCE": str(directory)}
    with _running([require_node(), str(script)], port, environment):
        yield f"ws://127.0.0.1:{port}"


@contextmanager
def pycrdt_websocket(kind: str, path: Path) -> Iterator[str]:
    """With a store of pycrdt-store's; `kind` is what the importer calls it."""
    port = free_port()
    command = [sys.executable, "-m", "tests.moving.pycrdt_server", str(port), kind, str(path)]
    with _running(command, port, {}):
        yield f"ws://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env={"PATH": "/usr/bin:/bin"} | environment, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(port):
            assert process.poll() is None, "the old server ended"
            assert time.monotonic() < deadline, "the old server is not ready"
            time.sleep(0.05)
        yield
        process.terminate()
        process.wait(10)
    finally:
        process.kill()
        process.communicate(timeout=10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
