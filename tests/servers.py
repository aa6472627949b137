"""Starts, kills and restarts the real `coscribe serve` for tests."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from tests.preloaded import ForkedProcess, template

COMMAND = Path(sys.executable).with_name("coscribe")
READY_SECONDS = 30.0
_LOG_TAIL_LINES = 80
SECRETS = re.compile(
    r"cs[stilkp]_[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9._-]+|\$argon2"
    r"|correct horse battery|nine green herons|a secret of thirty-two characters|s{40}"
)
"""What no log may hold: secrets that this server makes, JSON Web Tokens, hashes of passwords; the tests' own passwords,
and the secrets with which they sign."""
_FIRST_RUN = re.compile(r"/join#(\S+)")
"""The one secret that a server is there to print."""

StartServer = Callable[..., "ServerProcess"]
"""Takes a database URL and settings; see the fixture `start_server`."""

_running: list["ServerProcess"] = []


def secrets_in(text: str) -> set[str]:
    """What of `text` no log may hold."""
    return set(SECRETS.findall(text)) - set(_FIRST_RUN.findall(text))


class ServerDied(AssertionError):
    """The process ended, or never became ready; the text holds the end of its log."""


def free_port() -> int:
    """A port nobody listens on.

    Taken from below the ephemeral range: a port from inside it may become the local end of some outgoing connection
    while a server is down, and its restart on the same port would then fail.
    """
    for _ in range(200):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def environment(port: int, data_dir: Path, database_url: str | None, settings: Mapping[str, object]) -> dict[str, str]:
    """The caller's environment with the settings of this server and no others."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COSCRIBE_")}
    env |= {"COSCRIBE_AUTH": "none", "COSCRIBE_PORT": str(port), "COSCRIBE_DATA_DIR": str(data_dir)}
    if database_url is not None:
        env["COSCRIBE_DATABASE_URL"] = database_url
    return env | {f"COSCRIBE_{name.upper()}": str(value) for name, value in settings.items()}


class ServerProcess:
    """One server on its own port and data; the same port and data again after `restart`.

    Blocking calls: inside an event loop run `start`, `restart`, `kill9`, `terminate` and `interrupt` in a thread.

    Args:
        directory: holds the log and, unless `database_url` names another database, the SQLite files.
        database_url: a SQLAlchemy URL; None for SQLite in `directory`.
        executed: start the command itself. Otherwise the process is forked from one that has imported it
            (`tests.preloaded`), which takes a tenth of the time.
        settings: further settings without their prefix, such as `updates_page_max=10`.
    """

    def __init__(
        self,
        directory: Path,
        database_url: str | None = None,
        *,
        executed: bool = False,
        **settings: object,
    ) -> None:
        self.prefix: Sequence[str | Path] = ()
        """What the command, executed, is started through, such as `prlimit --nofile=60`."""
        self.directory = directory
        self.data_dir = directory / "data"
        self.log = directory / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}/ws"
        self._environment = environment(self.port, self.data_dir, database_url, settings)
        self._executed = executed
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None

    def add_environment(self, **variables: str) -> None:
        """Variables that are no settings, for the next start. Only the command itself heeds those of Python and of the
        system's loader (`executed`)."""
        self._environment |= variables

    def start(self) -> Self:
        """Start the process and wait until it answers /readyz.

        Raises:
            ServerDied: it ended or was not ready in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._process = self._launch()
        _running.append(self)
        try:
            self._wait_ready()
        except ServerDied:
            self.__exit__(None, None, None)
            raise
        return self

    def _launch(self) -> subprocess.Popen[bytes] | ForkedProcess:
        if not self._executed and not self.prefix:
            return template().start(self._environment, self.directory, self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, COMMAND, "serve"],
                env=self._environment,
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        # verify=False: there is no TLS here, and loading certificates takes longer than a server needs to answer.
        with httpx.Client(trust_env=False, verify=False) as client:
            while time.monotonic() < deadline:
                self.check_alive()
                try:
                    if client.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
        raise ServerDied(f"not ready within {READY_SECONDS} s\n{self.log_tail()}")

    def check_alive(self) -> None:
        """
        Raises:
            ServerDied: the process has ended.
        """
        if self.process.poll() is not None:
            raise ServerDied(f"the server ended with {self.process.returncode}\n{self.log_tail()}")

    @property
    def process(self) -> subprocess.Popen[bytes] | ForkedProcess:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    def kill9(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._end(signal.SIGKILL, 10)

    def terminate(self) -> int:
        """SIGTERM, as a service manager stops it. Returns the exit code."""
        return self._end(signal.SIGTERM, 15)

    def interrupt(self, within: float = 15) -> int:
        """SIGINT, as Ctrl-C does. Returns the exit code.

        Raises:
            subprocess.TimeoutExpired: it still ran after `within` seconds.
        """
        return self._end(signal.SIGINT, within)

    def _end(self, number: signal.Signals, within: float) -> int:
        self.process.send_signal(number)
        code = self.process.wait(within)
        if self in _running:
            _running.remove(self)
        return code

    def restart(self) -> Self:
        """Start again on the same port and data; stops it first when it still runs."""
        if self.process.poll() is None:
            self.terminate()
        return self.start()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of `coscribe` with the settings of this server."""
        return subprocess.run(
            [COMMAND, *arguments],
            env=self._environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """As `run`, of a command that must succeed; what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def document_url(self, document: str, resource: str = "") -> str:
        """REST address of a document, or of one of its resources such as `updates`."""
        path = f"{self.url}/api/documents/{quote(document, safe='')}"
        return f"{path}/{resource}" if resource else path

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def check_no_secrets(self) -> None:
        """
        Raises:
            AssertionError: the log holds a token, a cookie or a link other than the one that it is there to print.
        """
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        found = secrets_in(text)
        assert not found, f"the log of the server on port {self.port} holds secrets: {[each[:8] for each in found]}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill9()
        elif self in _running:
            _running.remove(self)
        if kind is None:
            self.check_no_secrets()


def log_sections() -> list[tuple[str, str]]:
    """Report sections with the end of every running server's log."""
    return [(f"log of the server on port {server.port}", server.log_tail()) for server in _running]
