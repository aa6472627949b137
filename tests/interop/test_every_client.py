"""Every published client there is, of every dialect, in one document at once, through reconnects.

COSCRIBE_TEST_CLIENTS_SECONDS=60 (`make clients`) has them edit for a whole minute.
"""

import asyncio
import os
import time
from random import Random
from typing import Any

import httpx
import pytest
from pycrdt import Array, Map, Text

from tests.e2e.feed import read_all
from tests.e2e.replica import canonical, dump, replay
from tests.interop.hocuspocus import Provider, provide
from tests.interop.node import Node, NodeClient
from tests.interop.python_client import PythonClient
from tests.interop.y_partyserver import join
from tests.interop.y_sweet import sweeten
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

FORGOTTEN_AFTER = 30
"""Seconds after which Yjs clients forget whom they have not heard of."""
RENEWED_AFTER = 20
"""Seconds within which Yjs clients, or the server for them, say once more that they are there."""
SECONDS = float(os.environ.get("COSCRIBE_TEST_CLIENTS_SECONDS", "5"))


def edit_python(client: PythonClient, rng: Random, tag: str) -> None:
    doc = client.doc
    with doc.transaction():
        text: Text = doc.get("text", type=Text)
        text.insert(0, f"{tag} ")
        array: Array[Any] = doc.get("array", type=Array)
        array.insert(rng.randint(0, len(array)), tag)
        if len(array) > 20:
            del array[rng.randrange(len(array))]
        doc.get("map", type=Map)[rng.choice("abc")] = tag


class Crowd:
    def __init__(self, clients: list[NodeClient], silent: NodeClient, python: PythonClient) -> None:
        self.clients = clients
        self.silent = silent
        self.python = python
        self.turns = self.carets = 0
        self.absences = 0

    @property
    def presence(self) -> dict[int, Any]:
        named = [(client.client_id, client.name) for client in [*self.clients, self.silent]]
        return {number: self.state(name) for number, name in [*named, (self.python.client_id, "python")]}

    def state(self, name: str) -> dict[str, Any]:
        return {"user": {"name": name}, "caret": self.carets}

    async def introduce(self) -> None:
        self.carets += 1
        for client in [*self.clients, self.silent]:
            await client.set_awareness(self.state(client.name))
        await self.introduce_python()

    async def introduce_python(self) -> None:
        """JavaScript clients do it by themselves, every 15 seconds and when they come back."""
        await self.python.announce(self.state("python"))

    async def edit(self, seed: int) -> None:
        self.turns += 1
        rng = Random(seed + self.turns)
        edit_python(self.python, rng, f"p{self.turns}")
        await asyncio.gather(*(c.edit_randomly(seed=rng.getrandbits(30), count=3) for c in self.clients))

    async def send_away(self, client: NodeClient, seed: int) -> None:
        self.absences += 1
        connections = (await client.status())["connections"] if isinstance(client, Provider) else 0
        await (client.drop if self.absences % 2 else client.disconnect)()
        await client.wait("disconnected")
        await client.edit_randomly(seed=seed, count=5)
        await self.edit(seed)
        await client.connect()
        if isinstance(client, Provider) and client.name != "hocuspocus 4":
            # Nobody can say whether one before version 4 counts what it deletes meanwhile (rule P3 of Hocuspocus).
            async def back() -> bool:
                found = await client.status()
                return bool(found["connections"] > connections and found["synced"])

            await eventually(back, f"{client.name} is back")

    async def send_python_away(self, seed: int) -> None:
        await self.python.__aexit__(None, None, None)
        edit_python(self.python, Random(seed), "offline")
        await self.edit(seed)
        await self.python.__aenter__()
        await self.introduce_python()

    async def unseen(self) -> dict[str, dict[int, Any]]:
        """What each client sees that is not as it should be."""
        seen = {client.name: await client.awareness() for client in [*self.clients, self.silent]}
        seen["python"] = self.python.awareness.states
        presence = self.presence
        return {
            name: {
                number: found.get(number)
                for number in found.keys() | presence.keys()
                if found.get(number) != presence.get(number)
            }
            for name, found in seen.items()
            if found != presence
        }

    async def see_each_other(self, within: float = 10) -> None:
        async def all_see_all() -> bool:
            return not await self.unseen()

        try:
            await eventually(all_see_all, "everybody sees everybody", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {await self.unseen()} of {self.presence}") from None

    async def have_the_same(self) -> bool:
        replicas = [(await client.state()).replica for client in [*self.clients, self.silent]]
        same = all(replica == replicas[0] for replica in replicas)
        return same and self.python.content() == replicas[0][0]


@pytest.mark.timeout(120 + 2 * SECONDS)
async def test_every_client_edits_one_document_through_reconnects_and_sees_everybody(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str, seed: int
) -> None:
    name = document.replace("/", "-")
    clients: list[NodeClient] = [
        await provide(node, "hocuspocus 4", server.ws_url, name),
        await provide(node, "hocuspocus 3", server.ws_url, name, version=3),
        await provide(node, "hocuspocus 2", server.ws_url, name, version=2),
        await node.open("y-websocket 3", server.ws_url, name, max_backoff_ms=50),
        await node.open("y-websocket 2", server.ws_url, name, version=2, max_backoff_ms=50),
        await sweeten(node, "y-sweet", server.url, name),
        await join(node, "y-partyserver", server.url, name),
    ]
    # Says who it is, and nothing more: in a minute the others would forget it, if the server did not remind them.
    silent = await join(node, "silent", server.url, name)
    await silent.wait("synced")
    await asyncio.gather(*(client.wait("synced") for client in clients))
    async with PythonClient(server.ws_url, name) as python:
        crowd = Crowd(clients, silent, python)
        await crowd.introduce()
        await crowd.see_each_other()
        rng, end, announced = Random(seed), time.monotonic() + SECONDS, time.monotonic()
        while time.monotonic() < end or crowd.absences < len(clients) + 1:
            for _ in range(rng.randint(1, 5)):
                await crowd.edit(seed)
                await asyncio.sleep(0.02)  # not a wait: people do not type as fast as computers
            away = crowd.absences % (len(clients) + 1)
            if away == len(clients):
                crowd.absences += 1
                await crowd.send_python_away(seed)
            else:
                await crowd.send_away(clients[away], seed - crowd.absences)
            if time.monotonic() - announced > 10:
                await crowd.introduce_python()
                announced = time.monotonic()
        await asyncio.gather(*(client.saved(30) for client in clients), python.saved())
        await eventually(crowd.have_the_same, "all have the same")
        if SECONDS >= FORGOTTEN_AFTER:
            await crowd.introduce_python()
            await crowd.see_each_other(within=RENEWED_AFTER)
        # Who comes back has dropped the others, and takes them up again when they say something new.
        await crowd.introduce()
        await crowd.see_each_other()
        assert canonical(dump(replay(row.payload for row in await read_all(http, server, name)))) == python.content()
