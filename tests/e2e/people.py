"""People of a real server with AUTH=accounts, over HTTP alone."""

import re
import secrets
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import httpx

from tests.e2e.raw_client import RawClient
from tests.servers import ServerProcess

PASSWORD = "correct horse battery"
CHEAP: dict[str, Any] = {"password_memory_kib": 1024, "password_rounds": 1}
"""Passwords that are quick to check: what these tests check is not how long they take to guess."""


@dataclass
class Person:
    """Somebody's browser: an HTTP client with a cookie, and WebSockets with it."""

    server: ServerProcess
    http: httpx.AsyncClient
    id: str = ""
    name: str = ""
    opened: ClassVar[list[httpx.AsyncClient]] = []
    """Every client that was made; `close_all` closes them."""

    @classmethod
    def at(cls, server: ServerProcess) -> Self:
        headers = {"origin": server.url}
        http = httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, verify=False)
        cls.opened.append(http)
        return cls(server, http)

    @classmethod
    async def close_all(cls) -> None:
        while cls.opened:
            await cls.opened.pop().aclose()

    async def call(self, method: str, path: str, status: int, body: Any = None) -> Any:
        options = {} if body is None else {"json": body}
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def accept(self, url: str, name: str) -> Self:
        """Make an account by the link of an invitation."""
        body = {"secret": url.partition("#")[2], "name": name, "password": PASSWORD}
        me = await self.call("POST", "/api/invitations/accept", 201, body)
        self.id, self.name = me["person"]["id"], name
        return self

    async def sign_in(self, name: str) -> Self:
        me = await self.call("POST", "/api/sign-in", 200, {"name": name, "password": PASSWORD})
        self.id, self.name = me["person"]["id"], name
        return self

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def client(self, document: str, **headers: str) -> RawClient:
        """A Yjs client in this browser."""
        return RawClient(self.server, document, headers={"cookie": self.cookie, "origin": self.server.url} | headers)

    async def create(self) -> str:
        """A document that belongs to this person."""
        name = f"doc-{secrets.token_hex(6)}"
        await self.call("POST", "/api/documents", 201, {"id": name})
        return name

    async def give(self, document: str, person: "Person", role: str) -> None:
        await self.call("PUT", f"/api/documents/{document}/sharing/people/{person.id}", 200, {"role": role})


def first_run_link(server: ServerProcess) -> str:
    found = re.findall(r"http://\S+/join#\S+", server.log.read_text())
    assert found, "the server printed no link for the first administrator"
    return str(found[-1])


async def administrator_of(server: ServerProcess) -> Person:
    return await Person.at(server).accept(first_run_link(server), "Ada")


async def invited(administrator: Person, name: str) -> Person:
    made = await administrator.call("POST", "/api/admin/invitations", 201, {"name": name})
    return await Person.at(administrator.server).accept(made["url"], name)
