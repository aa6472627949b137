"""S8: one client sends 40,000 updates back to back, as one does that comes back from a week offline."""

import time

from bench.generator.loop import Loop
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario
from bench.scenarios.load import make_room, open_rooms, run_load

_SECONDS_MAX = 120.0
_BYSTANDER_RATE = 50.0


def _run(bench: Bench) -> None:
    count = 5_000 if bench.quick else 40_000
    with bench.server() as server, Loop() as loop:
        burst = make_room(bench, server, "burst", writers=1, readers=1)
        bystanders = make_room(bench, server, "bystanders", writers=1, readers=1, number=1)
        open_rooms(loop, [burst, bystanders])
        writer = burst.writers[0]
        writer.prepare(count)
        started = finished = 0.0

        def done() -> bool:
            nonlocal started, finished
            if not started:
                started = time.perf_counter()
                writer.send_until(count)
            elif burst.settled():
                finished = finished or time.perf_counter()
            return finished > 0

        load = run_load(
            bench, server, loop, [bystanders], rate=_BYSTANDER_RATE, seconds=_SECONDS_MAX, until=done, watched=[burst]
        )
    if finished:
        bench.outcome.values["burst"] = finished - started
    bench.outcome.values["bystander"] = load.p99_ms
    bench.outcome.values["cpu"] = load.server_seconds / count * 1e6
    for fault in load.faults:
        bench.outcome.fault("burst", fault)


SCENARIO = Scenario(
    "S8",
    "one client sends 40,000 updates back to back",
    (
        Metric("burst", "delivered after", "s"),
        Metric("bystander", "meanwhile in another room: p99", "ms"),
        Metric("cpu", "server CPU per update", "us"),
    ),
    _run,
)
