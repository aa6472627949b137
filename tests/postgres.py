"""Finds a PostgreSQL for the tests, or starts one: `with fresh_database() as url`.

In this order: the server of COSCRIBE_TEST_POSTGRES_URL (any database of it, as a user who may create databases); the
one on the standard local port; a temporary one from installed binaries, which ends with the test process. Otherwise the
test is skipped, or fails under COSCRIBE_TESTS_STRICT=1.

Every database is new, has a name of its own and is dropped afterwards, so any number of test processes can share a
server. The functions block, and work inside a running event loop as well as outside.
"""

import asyncio
import atexit
import getpass
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.engine import URL, make_url

from tests.servers import free_port
from tests.support import skip_or_fail

T = TypeVar("T")

ENVIRONMENT = "COSCRIBE_TEST_POSTGRES_URL"
_CONNECT_SECONDS = 5
_START_SECONDS = 30
_BINARIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class NoPostgres(Exception):
    """There is none and none can be started; the text says why."""


_found: URL | None = None


@contextmanager
def fresh_database() -> Iterator[str]:
    """A new, empty database, as a `postgresql+asyncpg://` URL. Skips the test when there is no PostgreSQL."""
    try:
        server = find_server()
    except NoPostgres as reason:
        skip_or_fail(str(reason))
    name = f"coscribe_test_{os.getpid()}_{secrets.token_hex(4)}"
    execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def missing_reason() -> str | None:
    """Why the tests would be skipped, or None when they would not. Starts nothing."""
    try:
        if _running_server() is None:
            find_binaries()
    except NoPostgres as reason:
        return str(reason)
    return None


def find_server() -> URL:
    """A server whose user may create databases; the same one for the whole process.

    Raises:
        NoPostgres: there is none.
    """
    global _found
    if _found is None:
        _found = _running_server() or start_temporary()
    return _found


def execute(server: URL, statement: str) -> Any:
    """Run one statement on a connection of its own and return its first value."""
    return run_in_thread(_execute(server, statement))


def start_temporary() -> URL:
    """Start a server from installed binaries in a temporary directory; both go when this process ends.

    Raises:
        NoPostgres: no binaries, or they do not work.
    """
    binaries = find_binaries()
    owner = account()
    directory = temporary_directory(owner)
    try:
        initialise(binaries, directory, owner)
        return _start(binaries, directory, owner)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _running_server() -> URL | None:
    given = os.environ.get(ENVIRONMENT)
    if given:
        url = make_url(given).set(drivername="postgresql+asyncpg")
        problem = _problem_with(url)
        if problem is not None:
            raise NoPostgres(f"the PostgreSQL of {ENVIRONMENT} cannot be used: {problem}")
        return url
    for user in dict.fromkeys((getpass.getuser(), "postgres")):
        url = URL.create("postgresql+asyncpg", username=user, host="127.0.0.1", port=5432, database="postgres")
        if _problem_with(url) is None:
            return url
    return None


def _problem_with(url: URL) -> str | None:
    try:
        allowed = execute(url, "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"{type(error).__name__}: {error}"
    return None if allowed else "its user may not create databases"


async def _execute(server: URL, statement: str) -> Any:
    connection = await asyncpg.connect(
        server.set(drivername="postgresql").render_as_string(hide_password=False), timeout=_CONNECT_SECONDS
    )
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` for fixtures, which may be called inside a running event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def find_binaries() -> Path:
    """
    Raises:
        NoPostgres: none are installed.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _BINARIES:
        candidates += sorted(Path("/").glob(pattern.lstrip("/")), key=_version, reverse=True)
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise NoPostgres(
        f"there is no PostgreSQL: {ENVIRONMENT} is not set, none answers on 127.0.0.1:5432, and none is installed"
    )


def _version(directory: Path) -> list[int]:
    return [int(digits) for digits in "".join(c if c.isdigit() else " " for c in str(directory)).split()]


def account() -> pwd.struct_passwd:
    """Whose processes a temporary server's are: PostgreSQL refuses to run as root.

    Raises:
        NoPostgres: nobody can be found.
    """
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def temporary_directory(owner: pwd.struct_passwd) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="coscribe-postgres-"))
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    return directory


def initialise(binaries: Path, directory: Path, owner: pwd.struct_passwd) -> None:
    """
    Raises:
        NoPostgres: initdb fails.
    """
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    process = _launch([binaries / "initdb", "--pgdata", directory / "data", *options], directory, owner)
    if process.wait(_START_SECONDS) != 0:
        raise NoPostgres(f"initdb failed: {_log(directory)}")


def _start(binaries: Path, directory: Path, owner: pwd.struct_passwd) -> URL:
    port = free_port()
    process = launch_server(binaries, directory, owner, port, ["fsync=off"])
    atexit.register(_stop, process, directory)
    url = URL.create("postgresql+asyncpg", username="postgres", host="127.0.0.1", port=port, database="postgres")
    wait_until_it_answers(url, process, directory)
    return url


def launch_server(
    binaries: Path, directory: Path, owner: pwd.struct_passwd, port: int, options: list[str]
) -> subprocess.Popen[bytes]:
    command: list[str | Path] = [binaries / "postgres", "-D", directory / "data"]
    for option in ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", *options):
        command += ["-c", option]
    return _launch(command, directory, owner)


def wait_until_it_answers(url: URL, process: subprocess.Popen[bytes], directory: Path) -> None:
    """
    Raises:
        NoPostgres: it has ended, or does not answer.
    """
    deadline = time.monotonic() + _START_SECONDS
    while (problem := _problem_with(url)) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoPostgres(f"a temporary PostgreSQL did not start: {problem}: {_log(directory)}")
        time.sleep(0.05)


def _launch(command: list[str | Path], directory: Path, owner: pwd.struct_passwd) -> subprocess.Popen[bytes]:
    with (directory / "log").open("ab") as log:
        if os.geteuid() != 0:
            return subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        return subprocess.Popen(
            command,
            cwd=directory,
            stdout=log,
            stderr=log,
            user=owner.pw_uid,
            group=owner.pw_gid,
            extra_groups=[],
        )


def _log(directory: Path) -> str:
    return (directory / "log").read_text(errors="replace").strip()


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # "fast shutdown"
        process.wait(_START_SECONDS)
    shutil.rmtree(directory, ignore_errors=True)
