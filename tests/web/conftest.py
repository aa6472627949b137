"""The application without a network: its lifespan runs, requests go straight into it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from storage.schema import upgrade
from web.app import create_app
from web.settings import Settings
from web.state import State

BASE_URL = "http://127.0.0.1:8000"


class Running:
    """An application between start-up and shutdown, and a client for it."""

    def __init__(self, app: Starlette, state: State) -> None:
        self.app = app
        self.state = state
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self), base_url=BASE_URL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "state": dict(self.state)}, receive, send)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    await upgrade(settings.database_url)
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        running = Running(app, state)  # type: ignore[arg-type]
        async with running.http:
            yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def make_settings(directory: Path, **values: Any) -> Settings:
    chosen: dict[str, Any] = {"auth": "none", "data_dir": directory, "commit_window_ms": 0} | values
    return Settings(**chosen)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as server:
        yield server


@pytest.fixture
def http(server: Running) -> httpx.AsyncClient:
    return server.http
