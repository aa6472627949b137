"""Who takes part through a channel is looked at again, as with a socket."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Provider, Text

from collab.errors import NotAuthenticated, PermissionDenied
from tests.collab.test_replica import pipe
from tests.support import eventually
from web.embedding import Embedded, Person, Role
from web.watch import Watch

ANN, BOB = Person("ann", "Ann"), Person("bob", "Bob")


class Application:
    """Its people's roles, and Coscribe in it."""

    def __init__(self, directory: Path) -> None:
        self.roles: dict[str, Role | Exception | None] = {"ann": Role.EDITOR, "bob": Role.EDITOR}
        self.coscribe = Embedded(who=self.who, role=self.role, data_dir=directory)

    async def who(self, _connection: object) -> Person | None:
        return None

    async def role(self, person: Person, _document: str) -> Role | None:
        role = self.roles[person.id]
        if isinstance(role, Exception):
            raise role
        return role

    @property
    def watch(self) -> Watch:
        return self.coscribe._running()["watch"]

    def set_role(self, person_id: str, role: Role | None) -> None:
        self.roles[person_id] = role
        self.coscribe.changed(person_id=person_id)


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    application = Application(tmp_path)
    async with application.coscribe.lifespan():
        yield application


async def test_a_role_that_changes_counts_at_once(application: Application) -> None:
    coscribe = application.coscribe
    ours, theirs, _ = pipe()
    serving = asyncio.create_task(coscribe.serve("board", BOB, ours))
    doc: Doc[Any] = Doc()
    async with coscribe.open("board", ANN) as board:
        text = board.doc.get("text", type=Text)
        async with Provider(doc, theirs):
            bobs = doc.get("text", type=Text)
            bobs += "Hello"
            await eventually(lambda: str(text) == "Hello")
            application.set_role("bob", Role.READER)
            await eventually(lambda: application.watch.changed_roles == 1)
            bobs += " against the rules"
            text.insert(0, "> ")
            await eventually(lambda: str(bobs).startswith("> Hello"))
            await board.saved()
            assert str(text) == "> Hello"
            application.set_role("bob", None)
            with pytest.raises(PermissionDenied):
                await asyncio.wait_for(serving, 5)
            assert not application.watch._seats
    with pytest.raises(PermissionDenied):
        await coscribe.serve("board", BOB, ours)


async def test_who_is_to_come_anew_is_sent_away(application: Application) -> None:
    ours, _, _ = pipe()
    person = Person("bob", "Bob", expires_at=time.time() + 0.5)
    with pytest.raises(NotAuthenticated):
        await asyncio.wait_for(application.coscribe.serve("board", person, ours), 5)


async def test_a_channel_that_ends_leaves_no_seat(application: Application) -> None:
    ours, theirs, end = pipe()
    serving = asyncio.create_task(application.coscribe.serve("board", BOB, ours))
    await theirs.recv()
    assert len(application.watch._seats) == 1
    await end.put(None)
    await serving
    assert not application.watch._seats


async def test_a_role_that_cannot_be_found_out_stays_and_keeps_nobodys_from_being_looked_at(
    application: Application,
) -> None:
    ours, theirs, _ = zip(*(pipe() for _ in range(2)), strict=True)
    serving = [
        asyncio.create_task(application.coscribe.serve("board", person, channel))
        for person, channel in zip((ANN, BOB), ours, strict=True)
    ]
    for channel in theirs:
        await channel.recv()
    application.roles["ann"] = ValueError("the application's database is away")
    application.coscribe.changed()
    application.set_role("bob", None)
    with pytest.raises(PermissionDenied):
        await asyncio.wait_for(serving[1], 5)
    assert not serving[0].done()
    # It is asked again by itself; and an application may say no in this way, too.
    application.roles["ann"] = PermissionDenied("not any more")
    with pytest.raises(PermissionDenied):
        await asyncio.wait_for(serving[0], 5)
