"""y-websocket drops a connection after 30 s without an application message; pings do not count."""

import asyncio
import time

import pytest

from tests.interop.conftest import LISTENERS, Listener
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

LISTENING_SECONDS = 90


@pytest.mark.timeout(120)
async def test_a_client_that_only_listens_stays_connected_for_90_seconds(listener: Listener | None) -> None:
    assert listener is not None
    await eventually(lambda: time.monotonic() - listener.since >= LISTENING_SECONDS, "90 s over", within=100, every=0.5)
    for client in LISTENERS:
        status = await asyncio.to_thread(listener.ask, client, "status")
        as_it_was = {"connected": True, "synced": True, "shouldConnect": True, "opens": 1, "closes": [], "heard": []}
        assert status == as_it_was
