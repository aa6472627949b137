"""One PostgreSQL database for many tests: to create one for each would take longer than the tests."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from storage.schema import upgrade
from storage.tables import metadata
from tests.postgres import execute, fresh_database, run_in_thread


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[str]:
    """A database with our schema. Tests that change the schema must not use it."""
    with fresh_database() as url:
        run_in_thread(upgrade(url))
        yield url


def emptied(url: str) -> str:
    """The same database without the rows of the test before."""
    rest = ", ".join(f"{name} AS (DELETE FROM {name})" for name in metadata.tables.keys() - {"documents"})
    execute(make_url(url), f"WITH {rest} DELETE FROM documents")
    return url
