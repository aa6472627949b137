"""Fixtures of tests whose module has a `jwt_server`."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.servers import ServerProcess
from tests.tokens import token


@pytest.fixture
async def feed(jwt_server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    """The requests of an editor of everything, to read what is stored."""
    headers = {"authorization": f"Bearer {token('feed', {'*': 'editor'})}"}
    async with httpx.AsyncClient(trust_env=False, verify=False, headers=headers) as client:
        yield client
