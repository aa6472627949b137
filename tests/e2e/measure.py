"""Figures that no test holds anybody to: how soon what is taken away is gone, what refusals tell and what they cost.

python -m tests.e2e.measure revocation|absence|flood
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e import wire
from tests.e2e.people import CHEAP, Person, administrator_of, invited
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append
from tests.postgres import fresh_database
from tests.servers import ServerProcess

ROUNDS = 15
PAIRS = 1000
ATTEMPTS = 5000
AT_ONCE = 20
SETTINGS: dict[str, Any] = CHEAP | {"auth": "accounts", "sign_ins_per_minute_max": 10_000, "recheck_seconds": 3600}
ROLE = 103


def shown(seconds: Iterable[float]) -> str:
    """In milliseconds."""
    found = sorted(each * 1000 for each in seconds)
    at = [found[min(len(found) - 1, int(len(found) * part))] for part in (0.5, 0.95, 0.99)]
    return f"median {at[0]:7.2f}  p95 {at[1]:7.2f}  p99 {at[2]:7.2f}  most {found[-1]:7.2f} ms  (of {len(found)})"


# -- how soon what is taken away is gone


@asynccontextmanager
async def house(database_url: str | None, servers: int) -> AsyncIterator[tuple[Person, Person, list[ServerProcess]]]:
    """An administrator and Bob, who has a cookie that counts at every server."""
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:

            def start(number: int) -> ServerProcess:
                return stack.enter_context(ServerProcess(Path(directory) / f"{number}", database_url, **SETTINGS))

            first = start(0)
            ada = await administrator_of(first)
            yield ada, await invited(ada, "Bob"), [first, *map(start, range(1, servers))]
            await Person.close_all()


def seated(bob: Person, server: ServerProcess, document: str, token: str | None) -> RawClient:
    if token is not None:
        return RawClient(server, document, token=token)
    secret = bob.cookie.partition("=")[2]
    return RawClient(server, document, headers={"cookie": f"coscribe-{server.port}={secret}", "origin": server.url})


async def after(call: Awaitable[Any], event: Callable[[], Awaitable[Any]]) -> float:
    """Seconds from before the request that takes something away to the event at the other end."""
    started = time.monotonic()
    answered = asyncio.ensure_future(call)
    await event()
    took = time.monotonic() - started
    await answered
    return took


async def revocation() -> None:
    for name, database, servers in (("SQLite, one server", False, 1), ("PostgreSQL, another server", True, 2)):
        with fresh_database() if database else nothing() as url:
            async with house(url, servers) as (ada, bob, started):
                for by in ("cookie", "token"):
                    for what, times in (await _revocations(ada, bob, started[-1], by)).items():
                        print(f"{name:27} by {by:6} {what:22} {shown(times)}", flush=True)


@contextmanager
def nothing() -> Any:
    yield None


async def _revocations(ada: Person, bob: Person, server: ServerProcess, by: str) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"role taken: 4403": [], "demoted: told": [], "document gone: 4404": []}
    if by == "token":
        times["token revoked: 4401"] = []
    for _ in range(ROUNDS):
        document = await ada.create()
        await ada.give(document, bob, "editor")
        made: dict[str, Any] = {}
        if by == "token":
            body = {"label": "t", "documents": {"*": "editor"}}
            made = await bob.call("POST", "/api/me/tokens", 201, body)
        for what, found in times.items():
            await ada.give(document, bob, "editor")
            client = await seated(bob, server, document, made.get("token")).connect()
            await client.send(bytes((ROLE, 0)))
            # Not at the same moment of the server's clock every time.
            await asyncio.sleep(random.random() / 2)
            found.append(await _revoked(ada, bob, document, made, client, what))
            await client.close()
    return times


async def _revoked(ada: Person, bob: Person, document: str, made: Any, client: RawClient, what: str) -> float:
    path = f"/api/documents/{document}"
    match what:
        case "role taken: 4403":
            took = await after(ada.call("DELETE", f"{path}/sharing/people/{bob.id}", 200), client.closed)
        case "demoted: told":

            async def told() -> None:
                await client.until(lambda: any(each.kind == wire.AUTH for each in client.received), "told")

            return await after(ada.give(document, bob, "reader"), told)
        case "document gone: 4404":
            took = await after(ada.call("DELETE", path, 204), client.closed)
            await ada.call("POST", f"{path}/restore", 200)
        case _:
            took = await after(bob.call("DELETE", f"/api/me/tokens/{made['id']}", 204), client.closed)
    assert client.close_code == int(what[-4:]), client.close_code
    return took


# -- what a refusal tells by its time


async def absence() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        ServerProcess(Path(directory), refused_tokens_per_minute_max=1_000_000, **SETTINGS) as server,
    ):
        ada = await administrator_of(server)
        eve = await invited(ada, "Eve")
        body = {"label": "t", "documents": {"*": "owner"}}
        token = (await eve.call("POST", "/api/me/tokens", 201, body))["token"]
        there = [await ada.create() for _ in range(20)]
        for document in there:
            async with ada.client(document) as client:
                await client.edit(append("x" * 1000))
                await client.saved()
        for name, headers in {
            "GET by cookie": {"cookie": eve.cookie},
            "GET by token": {"authorization": f"Bearer {token}"},
            "socket by cookie": {"cookie": eve.cookie, "origin": server.url},
            "nobody": {},
        }.items():
            await _compare(server, name, headers, there)
        await Person.close_all()


async def _compare(server: ServerProcess, name: str, headers: dict[str, str], there: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    times: dict[bool, list[float]] = {True: [], False: []}
    socket = name.startswith("socket")
    for number in range(2 * PAIRS + 100):
        exists = bool(random.getrandbits(1)) if number >= 2 else bool(number)
        # Names of one form: what exists differs in nothing but that.
        document = random.choice(there) if exists else f"doc-{random.getrandbits(48):012x}"
        if socket:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        took, status = await _ask(reader, writer, server, document, headers, socket)
        if socket:
            writer.close()
        assert status in (b"401", b"403"), status
        if number >= 100:  # The first ones warm everything up.
            times[exists].append(took)
    writer.close()
    forbidden, absent = times[True], times[False]
    print(f"{name:17} forbidden {shown(forbidden)}")
    print(f"{'':17} absent    {shown(absent)}")
    difference = statistics.median(forbidden) - statistics.median(absent)
    spread = statistics.quantiles(forbidden + absent, n=4)
    print(
        f"{'':17} medians differ by {difference * 1e6:.1f} us, quartiles are {(spread[2] - spread[0]) * 1e6:.0f} us "
        f"apart; {_told_apart(forbidden, absent):.3f} guessed right by one answer (0.5: nothing is told)",
        flush=True,
    )


def _told_apart(one: list[float], other: list[float]) -> float:
    """How often the longer of two answers is the one that is longer on the whole (area under the ROC curve)."""
    ranks = sorted([(each, True) for each in one] + [(each, False) for each in other])
    total = sum(rank for rank, (_, first) in enumerate(ranks, 1) if first)
    share = (total - len(one) * (len(one) + 1) / 2) / (len(one) * len(other))
    return max(share, 1 - share)


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    server: ServerProcess,
    document: str,
    headers: dict[str, str],
    socket: bool,
) -> tuple[float, bytes]:
    lines = {"host": f"127.0.0.1:{server.port}"} | headers
    if socket:
        lines |= {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
        lines |= {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    path = f"/ws/{document}" if socket else f"/api/documents/{document}"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    started = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    took = time.perf_counter() - started
    length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return took, answer[9:12]


# -- what refusals cost, and whom


async def flood() -> None:
    """The server on one core; on the other one the pair whose edits are timed, and the attacker at lowest priority."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {cores[1]})
    with tempfile.TemporaryDirectory() as directory:
        server = ServerProcess(Path(directory), **SETTINGS)
        server.prefix = ("taskset", "-c", str(cores[0]))
        with server:
            ada = await administrator_of(server)
            document = await ada.create()
            async with ada.client(document) as writer, ada.client(document) as listener:
                print(f"{'before':45} {shown(await _pair(writer, listener, asyncio.sleep(5)))}")
                for name, token in (
                    ("no token of ours", "cst_" + "A" * 48),
                    ("a revoked one", await _revoked_token(ada)),
                ):
                    for rate in (500, 0):
                        await _flooded(server, document, token, name, rate, writer, listener)
                print(f"{'afterwards':45} {shown(await _pair(writer, listener, asyncio.sleep(5)))}")
            await Person.close_all()


async def _revoked_token(ada: Person) -> str:
    made = await ada.call("POST", "/api/me/tokens", 201, {"label": "t", "documents": {"*": "reader"}})
    await ada.call("DELETE", f"/api/me/tokens/{made['id']}", 204)
    return str(made["token"])


async def _flooded(
    server: ServerProcess, document: str, token: str, name: str, rate: int, writer: RawClient, listener: RawClient
) -> None:
    before, started = _cpu(server.process.pid), time.monotonic()
    command = [sys.executable, "-m", "tests.e2e.measure", "attack", str(server.port), document, token, str(rate)]
    attack = await asyncio.create_subprocess_exec("nice", "-n", "19", *command, stdout=subprocess.PIPE)
    times = await _pair(writer, listener, attack.wait())
    took = time.monotonic() - started
    cpu = _cpu(server.process.pid) - before
    assert attack.stdout is not None
    said = (await attack.stdout.read()).decode().strip()
    what = f"{name}, {f'{rate} a second' if rate else f'{AT_ONCE} at once'}"
    print(f"{what:45} {shown(times)}")
    print(
        f"{'':45} {said}; {cpu / ATTEMPTS * 1e6:.0f} us of CPU each, the pair's edits in it; {took:.1f} s", flush=True
    )


async def _pair(writer: RawClient, listener: RawClient, until: Awaitable[Any]) -> list[float]:
    """The time of each edit from one to the other, one every 10 ms, until something else is over."""
    end = asyncio.ensure_future(until)
    times: list[float] = []
    while not end.done():
        state = listener.doc.get_state()
        started = time.perf_counter()
        await writer.edit(append(1))
        await listener.until(lambda state=state: listener.doc.get_state() != state, "told")  # type: ignore[misc]
        times.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    return times


def _cpu(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def attack(port: int, document: str, token: str, rate: int) -> None:
    head = (
        f"GET /ws/{document}?token={token} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\n"
        "connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    answers: dict[bytes, int] = {}
    left = iter(range(ATTEMPTS))
    started = time.monotonic()

    async def attempts() -> None:
        for number in left:
            if rate:
                await asyncio.sleep(started + number / rate - time.monotonic())
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            status = (await reader.read())[9:12]
            answers[status] = answers.get(status, 0) + 1
            writer.close()

    await asyncio.gather(*(attempts() for _ in range(AT_ONCE)))
    print(", ".join(f"{count} x {status.decode()}" for status, count in sorted(answers.items())))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["attack", port, document, token, rate]:
            asyncio.run(attack(int(port), document, token, int(rate)))
        case [name]:
            asyncio.run({"revocation": revocation, "absence": absence, "flood": flood}[name]())
