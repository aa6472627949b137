"""Random sessions and a database for them.

`make check-history` runs the same tests with the full counts; COSCRIBE_HISTORY_CHECK=0.1 with a tenth of them.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from storage.engine import Database
from storage.schema import upgrade
from tests.history.sessions import Generator


@dataclass(frozen=True)
class Scale:
    """How much the random tests do."""

    past_sessions: int = 4
    past_seqs: int = 40
    blamed_characters: int = 2_500
    restores: int = 20
    block_documents: int = 10
    """In each, four times a block comes back."""


def report(line: str) -> None:
    """A figure for whoever runs the full counts."""
    sys.stdout.write(f"{line}\n")


FULL = Scale(past_sessions=300, past_seqs=200, blamed_characters=100_000, restores=1_000, block_documents=250)


@pytest.fixture(scope="session")
def scale() -> Scale:
    share = float(os.environ.get("COSCRIBE_HISTORY_CHECK", "0"))
    if not share:
        return Scale()
    return replace(
        FULL,
        past_sessions=round(share * FULL.past_sessions),
        blamed_characters=round(share * FULL.blamed_characters),
        restores=round(share * FULL.restores),
        block_documents=round(share * FULL.block_documents),
    )


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    with Generator() as running:
        yield running


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path}/history.db"
    await upgrade(url)
    async with await Database.open(url) as opened:
        yield opened
