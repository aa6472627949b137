"""S5: a whole paper is typed through the server; then the server starts anew and somebody opens the paper."""

import time

from bench.generator.client import Client
from bench.generator.codec import insert, ranges
from bench.generator.dialects import Dialect
from bench.generator.loop import Loop
from bench.generator.stream import Stream
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Failed, Scenario, join, needs_storage, wait_idle
from bench.scenarios.load import read_text
from bench.trace import Trace, load_trace

_SENTINEL = 2_100_000_000
"""Client id of one more edit behind the last: whoever has it has everything before it."""
_IDLE_SECONDS = 3.0
_IDLE_LIMIT_SECONDS = 120.0
_OPEN_SECONDS = 60.0


def _run(bench: Bench) -> None:
    trace = load_trace(bench.quick)
    with bench.server() as server:
        dialect = server.peer.dialect(bench.room("paper"))
        fed = _feed(bench, server, dialect, trace)
        server.stop()
        if not fed:
            return
        bench.outcome.values["disk"] = server.data_bytes() / 1e6
        server.start()
        _open(bench, server, dialect, trace)


def _feed(bench: Bench, server: Server, dialect: Dialect, trace: Trace) -> bool:
    """Type the paper, with one reader beside. False when the reader did not get all of it."""
    with Loop() as loop:
        stream = Stream()
        writer, reader = (Client(server.address, dialect, stream=stream) for _ in range(2))
        join(loop, [writer, reader])
        frames = [dialect.update(update) for update in trace.updates]
        frames.append(dialect.update(_sentinel()))
        if bench.peer.answers_saved:
            frames.append(dialect.ask_saved(1))
        feed = b"".join(frames)
        cpu, generator, start = server.tree.cpu_seconds(), time.process_time(), time.perf_counter()
        writer.send(feed)

        def done() -> bool:
            saved = not bench.peer.answers_saved or bool(writer.saved)
            arrived = _SENTINEL in stream.clocks.next and reader.position == len(stream.data)
            return (saved and arrived) or writer.error is not None or reader.error is not None

        complete = loop.run(done, bench.peer.feed_seconds_max)
        seconds = time.perf_counter() - start
        bench.used((time.process_time() - generator) / seconds)
        if error := writer.error or reader.error:
            raise Failed(f"a connection was lost while the paper was typed: {error}")
        values, count = bench.outcome.values, len(trace.updates)
        if not complete:
            arrived = sum(stream.clocks.next.values()) / max(1, _inserted(trace))
            bench.outcome.notes["feed"] = f"only {arrived:.1%} delivered in {seconds:.0f} s; not opened again"
            values["feed"] = arrived * count / seconds
            return False
        values["feed"] = count / seconds
        cpu = server.tree.cpu_seconds() - cpu
        values["cpu"] = cpu / count * 1e6
        # Stores that write behind need their time, and their clients for as long; it is not counted.
        wait_idle(loop, server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS)
        received = reader.stream.updates if reader.stream is not None else []
        if read_text(received) != _expected(trace):
            bench.outcome.fault("feed", "the reader beside got a different text")
        return True


def _open(bench: Bench, server: Server, dialect: Dialect, trace: Trace) -> None:
    """A new client opens the paper, the first since the server started."""
    expected = _expected(trace)
    checked = 0
    complete_at = 0.0
    with Loop() as loop:
        client = Client(server.address, dialect)

        def done() -> bool:
            nonlocal checked, complete_at
            while checked < len(client.updates) and not complete_at:
                checked += 1
                if read_text([update for _, update in client.updates[:checked]]) == expected:
                    complete_at = client.updates[checked - 1][0]
            return complete_at > 0 or client.error is not None

        loop.open(client)
        complete = loop.run(done, _OPEN_SECONDS) and client.error is None
    if not complete:
        bench.outcome.fault("open", client.error or f"not the whole paper within {_OPEN_SECONDS:.0f} s")
        return
    bench.outcome.values["open"] = (complete_at - client.started_at) * 1000
    if complete_at > client.synced_at:
        bench.outcome.notes["open"] = "the first sync step 2 was not the whole paper: clients believe they have it all"


def _sentinel() -> bytes:
    return insert(_SENTINEL, 0, ".")


def _expected(trace: Trace) -> str:
    return read_text([trace.state, _sentinel()])


def _inserted(trace: Trace) -> int:
    """Characters that were ever typed."""
    return sum(end - first for _, first, end in ranges(trace.state))


SCENARIO = Scenario(
    "S5",
    "a paper of 259,778 edits is typed, then opened after a restart",
    (
        Metric("open", "new client after the restart: full content after", "ms"),
        Metric("disk", "size on disk", "MB"),
        Metric("feed", "updates/s taken in and delivered (Coscribe: and stored)", "/s", "higher"),
        Metric("cpu", "server CPU per update", "us"),
    ),
    _run,
    needs_storage,
)
