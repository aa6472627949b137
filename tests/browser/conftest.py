"""Fixtures of the browser tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import async_playwright

from tests.browser.pages import DESKTOP, Person, launch
from tests.browser.test_bundle import CLIENT, install_client
from tests.servers import ServerProcess

Visit = Callable[..., Awaitable[Person]]
"""A new person at a server: `await visit(server, **options of the browser context)`."""


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Brings people to a server, each with a browser profile of their own; any problem on a page fails the test."""
    people: list[Person] = []
    async with async_playwright() as playwright:
        browser = await launch(playwright)

        async def visit(server: ServerProcess, **options: Any) -> Person:
            context = await browser.new_context(**(DESKTOP | options))
            person = Person(server, context, await context.new_page())
            person.watch()
            people.append(person)
            return person

        yield visit
        for person in people:
            await person.context.close()
        await browser.close()
    assert [person.problems for person in people] == [[] for _ in people]


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    install_client()
    return (CLIENT / "node_modules" / "axe-core" / "axe.min.js").read_text()
