"""People with accounts in front of the web app."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import WebSocketRoute, expect

from tests.browser.pages import Person
from tests.servers import ServerProcess

PASSWORD = "nine green herons"
CHEAP: dict[str, Any] = {"auth": "accounts", "password_memory_kib": 1024, "password_rounds": 1}
"""Settings of a server with accounts whose passwords are quick to check."""

Visit = Callable[..., Awaitable[Person]]


def first_link(server: ServerProcess) -> str:
    """The one-time link for the first administrator, as the server printed it."""
    found = re.search(r"http://\S+/join#\S+", server.log.read_text())
    assert found is not None, server.log_tail()
    return found[0]


async def call(person: Person, method: str, path: str, body: object = None) -> Any:
    """A request with the cookies of somebody's browser; returns the answer's JSON."""
    url = f"{person.server.url}/api/{path}"
    headers = {"Origin": person.server.url}
    answer = await person.context.request.fetch(url, method=method, data=body, headers=headers)
    assert answer.ok, f"{method} {path}: {answer.status} {await answer.text()}"
    return None if answer.status == 204 else await answer.json()


async def accept(person: Person, link: str, name: str) -> None:
    """Make the account that `link` is for, and be signed in, without a page."""
    body = {"secret": link.partition("#")[2], "name": name, "password": PASSWORD}
    await call(person, "POST", "invitations/accept", body)


@dataclass
class House:
    """A server with accounts, its administrator Ann, and whoever she lets in."""

    server: ServerProcess
    visit: Visit
    names: dict[str, int] = field(default_factory=dict)
    administrator: Person | None = None

    @classmethod
    async def of(cls, server: ServerProcess, visit: Visit) -> Self:
        """Ann comes in: by the link of the first run, or by signing in when she did that for an earlier test."""
        house = cls(server, visit)
        ann = house.administrator = await visit(server)
        me = await call(ann, "GET", "me")
        if me["first_run"]:
            await accept(ann, first_link(server), "Ann")
        else:
            await call(ann, "POST", "sign-in", {"name": "Ann", "password": PASSWORD})
        return house

    @property
    def ann(self) -> Person:
        assert self.administrator is not None
        return self.administrator

    async def enter(self, name: str, **options: Any) -> Person:
        """Somebody new, invited by Ann and signed in."""
        invited = await call(self.ann, "POST", "admin/invitations", {"name": name})
        person = await self.visit(self.server, **options)
        await accept(person, invited["url"], name)
        return person

    async def document(self, name: str, title: str, **roles: Person) -> str:
        """A document of Ann's; `reader=ben` gives Ben that role."""
        await call(self.ann, "POST", "documents", {"id": name, "title": title})
        for role, person in roles.items():
            await self.give(name, person, role)
        return name

    async def give(self, document: str, person: Person, role: str) -> None:
        path = f"{document_path(document)}/sharing/people/{await id_of(person)}"
        await call(self.ann, "PUT", path, {"role": role})

    async def text(self, document: str) -> str:
        """What the server holds of a document."""
        url = f"{self.server.document_url(document, 'content')}?format=text"
        return await (await self.ann.context.request.get(url)).text()

    async def take(self, document: str, person: Person) -> None:
        await call(self.ann, "DELETE", f"{document_path(document)}/sharing/people/{await id_of(person)}")


class Wire:
    """The sockets of a page, which the test can cut and mend; everything else goes on."""

    def __init__(self) -> None:
        self._is_cut = False
        self._ends: list[WebSocketRoute] = []

    @classmethod
    async def of(cls, person: Person) -> Self:
        """Call it before the page opens a document."""
        wire = cls()
        person.routed = True
        await person.page.route_web_socket("**/ws/**", wire._connect)
        return wire

    async def _connect(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            await socket.close()
        else:
            self._ends += [socket, socket.connect_to_server()]

    async def cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            await end.close()
        self._ends.clear()

    def mend(self) -> None:
        self._is_cut = False


def document_path(document: str) -> str:
    return f"documents/{document.replace('/', '%2F')}"


async def id_of(person: Person) -> str:
    me = await call(person, "GET", "me")
    return str(me["person"]["id"])


async def is_read_only(person: Person) -> None:
    await expect(person.page.get_by_test_id("read-only")).to_contain_text("not edit")
    await expect(person.editor).to_have_attribute("contenteditable", "false")


def allow(person: Person, *statuses: int) -> None:
    """The browser itself writes refused requests to its console: those with these answers are expected."""
    for status in statuses:
        marker = f"status of {status} "
        person.problems[:] = [problem for problem in person.problems if marker not in problem]
