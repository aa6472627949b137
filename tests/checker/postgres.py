"""A PostgreSQL of the checker's own, which may be stopped without a word at any moment."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL

from tests import postgres
from tests.servers import free_port

_STOP_SECONDS = 30


class Cluster:
    """One temporary PostgreSQL server on a port of its own. Writes durably (fsync), as in production."""

    def __init__(self) -> None:
        """
        Raises:
            tests.postgres.NoPostgres: there are no binaries.
        """
        self._binaries = postgres.find_binaries()
        self._account = postgres.account()
        self._directory = postgres.temporary_directory(self._account)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        postgres.initialise(self._binaries, self._directory, self._account)

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg", username="postgres", host="127.0.0.1", port=self._port, database="postgres"
        )

    def start(self) -> None:
        """Start, or start again, and wait until it answers."""
        self._process = postgres.launch_server(
            self._binaries, self._directory, self._account, self._port, ["fsync=on", "max_connections=60"]
        )
        postgres.wait_until_it_answers(self.url, self._process, self._directory)

    def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: nothing is flushed, nobody is told; the next start recovers from the WAL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_STOP_SECONDS)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop_immediately()
        shutil.rmtree(self._directory, ignore_errors=True)


@contextmanager
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.close()
