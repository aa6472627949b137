"""Fixtures of the browser tests. All run on one event loop, so that one browser serves them all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from pytest_asyncio import is_async_test

from tests.browser.pages import DESKTOP, Person, launch
from tests.browser.test_bundle import CLIENT, install_client
from tests.servers import ServerProcess

Visit = Callable[..., Awaitable[Person]]
"""A new person at a server: `await visit(server, **options of the browser context)`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """Gives a running browser: the one of the test before, unless that has ended."""
    async with async_playwright() as playwright:
        running: list[Browser] = []

        async def browser() -> Browser:
            if not running or not running[-1].is_connected():
                running.append(await launch(playwright))
            return running[-1]

        yield browser
        for each in running:
            await each.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Callable[[], Awaitable[Browser]]) -> AsyncIterator[Visit]:
    """Brings people to a server, each with a browser profile of their own; any problem on a page fails the test."""
    people: list[Person] = []

    async def visit(server: ServerProcess, **options: Any) -> Person:
        context = await (await browser()).new_context(**(DESKTOP | options))
        person = Person(server, context, await context.new_page())
        person.watch()
        people.append(person)
        return person

    yield visit
    for person in people:
        await person.context.close()
    assert [person.problems for person in people] == [[] for _ in people]


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    install_client()
    return (CLIENT / "node_modules" / "axe-core" / "axe.min.js").read_text()
