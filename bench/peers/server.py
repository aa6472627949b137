"""A running server: pinned to its core, on its own port and data directory, killed or stopped and started again."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.generator.client import Address
from bench.machine import ProcessTree
from bench.peers.base import Command, Peer, Unavailable, clean_environment

_READY_SECONDS = 30.0


class Server:
    """One server process. The data directory lives as long as the context.

    Args:
        core: where it has to run.
    """

    def __init__(self, peer: Peer, core: int) -> None:
        self.peer = peer
        self._core = core
        self._directory = Path(tempfile.mkdtemp(prefix=f"bench-{peer.name}-"))
        self.data = self._directory / "data"
        self._log = self._directory / "server.log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.data.mkdir()
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self._port)

    @property
    def tree(self) -> ProcessTree:
        assert self._process is not None, "the server was not started"
        return ProcessTree(self._process.pid)

    def start(self) -> None:
        """Start it and wait until it answers: a port may take connections before.

        Raises:
            Unavailable: it ended or was not ready in time; the text holds the end of its log.
        """
        command: Command = self.peer.command(self._port, self.data)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ("taskset", "--cpu-list", str(self._core), *command.arguments),
                cwd=command.directory,
                env=clean_environment() | dict(command.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"{self.peer.title} did not start: {self.log_tail()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        """Whether a request of HTTP is answered, whatever the answer."""
        host, port = self.address
        with socket.socket() as probe:
            probe.settimeout(_READY_SECONDS)
            try:
                probe.connect(self.address)
                probe.sendall(b"GET / HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (host.encode(), port))
                return bool(probe.recv(1))
            except OSError:
                return False

    def kill(self) -> None:
        """SIGKILL to all its processes: no handler runs, nothing is flushed."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def stop(self, within: float = 60.0) -> None:
        """SIGTERM, as a service manager stops it; killed when it still runs after `within` seconds."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()

    def data_bytes(self) -> int:
        """Size of everything it stored."""
        return sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())

    def log_tail(self, lines: int = 5) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return " / ".join(text.strip().splitlines()[-lines:])


def _free_port() -> int:
    """A port below the ephemeral range, which no outgoing connection can take while the server is down."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
