"""The highest load that a server carries with 99 of 100 deliveries in less than 100 ms."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.generator.loop import Loop
from bench.peers.server import Server
from bench.results import Point
from bench.scenarios.base import Bench, Failed, wait_idle
from bench.scenarios.load import Load, Room, open_rooms, run_load

P99_MS_MAX = 100.0
_STEP = 4.0
_REFINEMENTS = 3
"""Halvings of a step on the logarithmic scale: the result is within 4 ** (1/8), 19 %, of the true limit."""
_IDLE_SECONDS = 0.5
_IDLE_LIMIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """Loads to try, from `start` updates a second, each in a new room."""

    key: str
    start: float
    seconds: float
    make_room: Callable[[Server], Room]


def find_highest(bench: Bench, ramp: Ramp) -> Load | None:
    """The best load that passed; None when not even the first did. Every load tried is put down as a point.

    A load passes when every delivery was right, 99 of 100 came in time, and none was more than a second late. One that
    fails is tried a second time, so that a hiccup of the machine does not decide.
    """
    points = bench.outcome.ramps.setdefault(ramp.key, [])
    best: Load | None = None
    with _Servers(bench) as servers:

        def passes(rate: float) -> bool:
            nonlocal best
            for _ in range(2):
                load = _try(bench, servers, ramp, rate, points)
                if load is not None:
                    if best is None or load.deliveries_per_second > best.deliveries_per_second:
                        best = load
                    return True
            return False

        low, high = 0.0, ramp.start
        while passes(high):
            low, high = high, high * _STEP
        if not low:
            return None
        for _ in range(1 if bench.quick else _REFINEMENTS):
            middle = math.sqrt(low * high)
            if passes(middle):
                low = middle
            else:
                high = middle
    return best


def _try(bench: Bench, servers: "_Servers", ramp: Ramp, rate: float, points: list[Point]) -> Load | None:
    """The load if it passed."""
    server = servers.ready()
    with Loop() as loop:
        room = ramp.make_room(server)
        try:
            open_rooms(loop, [room])
        except Failed as failure:
            bench.outcome.notes[ramp.key] = f"at {rate:,.0f} updates/s: {failure}"
            servers.suspect()
            return None
        load = run_load(bench, server, loop, [room], rate=rate, seconds=ramp.seconds, give_up_late=True)
    passed = not load.late and not load.faults and load.p99_ms < P99_MS_MAX
    points.append(
        Point(
            rate=rate,
            deliveries_per_second=load.deliveries_per_second,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            passed=passed,
            server_cores=load.server_cores,
            generator_cores=load.generator_cores,
        )
    )
    # Beyond its limit a server may drop connections; the limit is what counts then. What it delivers must be right.
    if load.faults and not load.late and not any("lost" in fault for fault in load.faults):
        bench.outcome.fault(ramp.key, f"at {rate:,.0f} updates/s: {'; '.join(load.faults)}")
    if not passed:
        servers.suspect()
    return load if passed else None


class _Servers:
    """The server of a ramp; a new one when an overload has left the last one busy."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._server: Server | None = None
        self._suspect = False

    def __enter__(self) -> "_Servers":
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def ready(self) -> Server:
        if self._server is not None and self._suspect:
            with Loop() as loop:
                if not wait_idle(loop, self._server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS):
                    self._end()
        self._suspect = False
        if self._server is None:
            self._server = Server(self._bench.peer, self._bench.cores.server).__enter__()
        return self._server

    def suspect(self) -> None:
        self._suspect = True

    def _end(self) -> None:
        if self._server is not None:
            self._server.__exit__(None, None, None)
            self._server = None
