"""Databases of both kinds, and how large an archive has to be."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.engine import Database
from storage.schema import upgrade
from tests.postgres import fresh_database
from web.settings import Settings


@dataclass(frozen=True)
class Scale:
    documents: int
    updates: int
    seqs: int
    """How many random past states are compared."""


FULL = os.environ.get("COSCRIBE_ARCHIVE_CHECK") == "full"


@pytest.fixture
def scale() -> Scale:
    """Lean in the suite; `make check-archive` is the full size."""
    return Scale(1_000, 200_000, 1_000) if FULL else Scale(25, 2_000, 60)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(auth="none", data_dir=tmp_path)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with fresh_database() as url:
        yield url


@pytest.fixture
async def sqlite(settings: Settings) -> AsyncIterator[Database]:
    await upgrade(settings.database_url)
    async with await Database.open(settings.database_url) as database:
        yield database


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    await upgrade(postgres_url)
    async with await Database.open(postgres_url) as database:
        yield database
