"""New databases for the tests of the SQL adapters."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from storage.engine import Database
from storage.schema import upgrade
from tests.postgres import fresh_database, run_in_thread
from tests.storage.shared import emptied, shared_postgres

__all__ = ["shared_postgres"]


@asynccontextmanager
async def connected(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, past our code."""
    connection = await asyncpg.connect(make_url(postgres_url).set(drivername="postgresql").render_as_string(False))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "coscribe.db"


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    return f"sqlite+aiosqlite:///{sqlite_path}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    with fresh_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database with our schema and nothing in it. PostgreSQL's stays for other tests: leave the schema alone."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("shared_postgres"))
    url: str = request.getfixturevalue("sqlite_url")
    run_in_thread(upgrade(url))
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with await Database.open(url) as database:
        yield database


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    await upgrade(sqlite_url)
    async with await Database.open(sqlite_url) as database:
        yield database
