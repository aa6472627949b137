"""A server with somebody in every role, signed in by cookie and by token."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from collab.types import DocumentId, Role, parse_document_id
from storage.accounts import Account, NewAccount, NewSignIn
from storage.audit_log import Actor
from storage.credentials import NewToken
from tests.web.conftest import BASE_URL, Running, make_settings, running
from web.minting import Kind

CHEAP: dict[str, Any] = {"password_memory_kib": 1024, "password_rounds": 1}
"""Passwords that are quick to check: what a test checks with them is not how long they take to guess."""
PLANS = parse_document_id("plans")
SECRET = parse_document_id("secret")
FAR_MS = 4_000_000_000_000
COOKIE = "coscribe-8000"


@dataclass
class Person:
    account: Account
    cookie: str
    token: str

    def headers(self, by: str) -> dict[str, str]:
        if by == "token":
            return {"authorization": f"Bearer {self.token}"}
        return {"cookie": f"{COOKIE}={self.cookie}", "origin": BASE_URL}


@dataclass
class Stage:
    """One document "plans" and somebody in each role; "secret" belongs to somebody else."""

    server: Running
    people: dict[str, Person] = field(default_factory=dict)
    secret_document: DocumentId = SECRET

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, **settings: Any) -> AsyncIterator[Self]:
        chosen = {"auth": "accounts", "sign_ins_per_minute_max": 10_000, "refused_tokens_per_minute_max": 10_000}
        async with running(make_settings(directory, **CHEAP, **(chosen | settings))) as server:
            stage = cls(server)
            await stage.set()
            yield stage

    @property
    def database(self) -> Any:
        return self.server.state["database"]

    async def set(self) -> None:
        owner = await self.enter("owner")
        await self.database.sharing.create_document(PLANS, "Plans", owner.account, Actor())
        other = await self.enter("other")
        await self.database.sharing.create_document(SECRET, "", other.account, Actor())
        for role in (Role.READER, Role.COMMENTER, Role.EDITOR):
            person = await self.enter(role.name.lower())
            await self.database.sharing.give(PLANS, person.account.id, role, Actor())
        await self.enter("stranger")
        await self.enter("administrator", administrator=True)
        self.people["guest"] = await self.guest()

    async def enter(self, name: str, *, administrator: bool = False) -> Person:
        account = await self.database.accounts.create(NewAccount(name, administrator=administrator), Actor())
        secret, new = self.new_sign_in()
        await self.database.accounts.begin(account, new, Actor(), replaces=None, how="test")
        token, digest = self.server.state["mint"].make(Kind.TOKEN)
        scope = {"*": Role.OWNER}
        await self.database.credentials.create_token(NewToken(digest, "t", scope, None, account.pk, name), Actor())
        self.people[name] = Person(account, secret, token)
        return self.people[name]

    async def guest(self) -> Person:
        """Somebody with a link to "plans", as a reader."""
        secret, new = self.new_sign_in()
        account = await self.database.accounts.begin_guest(new)
        _, digest = self.server.state["mint"].make(Kind.SHARE_LINK)
        await self.database.sharing.create_link(PLANS, digest, Role.READER, None, Actor())
        await self.database.sharing.hold_link(digest, account, Actor())
        return Person(account, secret, "")

    def new_sign_in(self) -> tuple[str, NewSignIn]:
        secret, digest = self.server.state["mint"].make(Kind.SIGN_IN)
        return secret, NewSignIn(digest, FAR_MS, None, None)

    async def call(
        self, who: str, method: str, path: str, *, by: str = "cookie", document: str = "plans", **options: Any
    ) -> httpx.Response:
        """One request, with an empty body where there should be one: whether somebody may comes first."""
        headers = {"origin": BASE_URL} if who == "nobody" else self.people[who].headers(by)
        headers |= options.pop("headers", {})
        if method in ("POST", "PUT", "PATCH") and not {"json", "content"} & options.keys():
            options["json"] = {"document": document} if path == "/api/tickets" else {}
        address = path.replace("{document}", document)
        for name in ("person", "link", "sign_in", "token", "invitation", "version", "job", "file"):
            address = address.replace(f"{{{name}}}", "999999")
        # A client of its own: cookies that are set belong to one request.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.server), base_url=BASE_URL) as client:
            return await client.request(method, address, headers=headers, **options)

    async def status(self, who: str, method: str, path: str, *, by: str) -> int:
        """What somebody is answered who was set up anew, because some calls end their own right to call."""
        try:
            if method == "WS":
                sent = await self.handshake(who, by=by, path=path)
                return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0]["status"])
            return (await self.call(who, method, path, by=by)).status_code
        finally:
            await self.repair(who, path, method)

    async def repair(self, who: str, path: str, method: str) -> None:
        if method == "DELETE" or "sign-out" in path:
            sharing, accounts = self.database.sharing, self.database.accounts
            await self.database.documents.restore(PLANS)
            if who == "guest":
                self.people["guest"] = await self.guest()
            elif who != "nobody":
                person = self.people[who]
                secret, new = self.new_sign_in()
                await accounts.begin(person.account, new, Actor(), replaces=None, how="test")
                person.cookie = secret
                if who in ("reader", "commenter", "editor"):
                    await sharing.give(PLANS, person.account.id, Role[who.upper()], Actor())

    async def handshake(
        self,
        who: str,
        *,
        by: str = "cookie",
        document: str = "plans",
        query: str = "",
        path: str = "/ws/{document}",
        **headers: str,
    ) -> list[dict[str, Any]]:
        """What the application sends in answer to a WebSocket handshake, up to where the socket would be open."""
        sent: list[dict[str, Any]] = []
        own = {"origin": BASE_URL} if who == "nobody" else self.people[who].headers(by)
        for name, value in {"document": document, "again": document, "party": "main", "room": document}.items():
            path = path.replace(f"{{{name}}}", value)
        lines = {"host": "127.0.0.1:8000"} | own | headers
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines.items()],
            "subprotocols": [],
            "client": ("127.0.0.1", 50_000),
            "extensions": {"websocket.http.response": {}},
        }
        incoming: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]

        async def receive() -> dict[str, Any]:
            return incoming.pop(0)

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self.server(scope, receive, send)
        return sent


def problem_of(sent: list[dict[str, Any]]) -> dict[str, Any]:
    """The problem with which a handshake was refused."""
    assert sent[0]["type"] == "websocket.http.response.start", sent
    found: dict[str, Any] = json.loads(sent[1]["body"])
    return found
