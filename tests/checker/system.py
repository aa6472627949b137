"""What the system tests share: prepared databases, strace, and the question whether a database kept its promises."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from storage.engine import Database
from storage.schema import upgrade
from tests.checker.appender import payload
from tests.storage.edits import A, append, stored
from tests.support import skip_or_fail

DATABASE = "coscribe.db"
STRACE_VERSION_MIN = (5, 3)
"""Knows `--inject` with ranges and filters by path."""


def require_strace() -> str:
    """Path of strace; skips the test where it is missing, too old, or may not trace."""
    found = shutil.which("strace")
    if found is None:
        skip_or_fail("strace is not installed")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", answer)
    if version is None or (int(version[1]), int(version[2])) < STRACE_VERSION_MIN:
        skip_or_fail("strace is too old")
    if subprocess.run([found, "-e", "trace=none", "true"], capture_output=True).returncode != 0:
        skip_or_fail("strace may not trace processes here")
    return found


def prepare(directory: Path) -> Path:
    """A database with some rows of document `a`, closed in order."""
    directory.mkdir(parents=True)
    file = directory / DATABASE
    asyncio.run(_prepare(f"sqlite+aiosqlite:///{file}"))
    return file


async def _prepare(url: str) -> None:
    await upgrade(url)
    async with await Database.open(url) as database:
        await database.log.load(A, create=True)
        await database.log.append([append(A, payload(1), payload(2), by="ada")])


def appender(file: Path, commits: int) -> list[str]:
    return [sys.executable, "-m", "tests.checker.appender", str(file), str(commits)]


def acknowledged(output: str | bytes) -> int:
    """The last seq that was acknowledged; 2 before anything was."""
    text = output.decode() if isinstance(output, bytes) else output
    return max([2, *(int(line) for line in text.split("\n")[:-1])])


def check_promises(file: Path, least: int) -> int:
    """The database opens, is sound, and holds every row through `least`, unchanged. Returns its last seq.

    Raises:
        AssertionError: it does not.
    """
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged"
    rows = asyncio.run(_rows(f"sqlite+aiosqlite:///{file}"))
    assert len(rows) >= least, f"row {least} was acknowledged, and the log ends at {len(rows)}"
    assert rows == [payload(seq) for seq in range(1, len(rows) + 1)], "a row is not what was written"
    return len(rows)


async def _rows(url: str) -> list[bytes]:
    async with await Database.open(url) as database:
        await database.log.load(A, create=False)  # the document's checkpoint is readable
        return await stored(database.log, A)
