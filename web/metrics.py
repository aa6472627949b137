"""Prometheus metrics, read from the hub's counters when somebody asks: counting costs the way of an edit nothing."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from collab.hub import Hub
from web.state import State

__all__ = ["CONTENT_TYPE", "HubCollector", "render"]

GAUGES = {
    "connections": "Clients connected now, once for each document they have open",
    "rooms": "Documents in memory now",
    "unsaved_bytes": "Edits accepted and not yet committed",
}
COUNTERS = {
    "updates_received": "Updates accepted from clients",
    "updates_held": "Updates that had to wait for edits they build on",
    "flushes": "Merged updates relayed",
    "rows_committed": "Rows appended to the update log",
    "commit_failures": "Commits that had to be tried again",
    "loads": "Documents loaded into memory",
    "rows_loaded": "Rows replayed by those loads, beyond the checkpoints",
    "checkpoints_loaded": "Loads that began with a checkpoint",
    "checkpoints_written": "Checkpoints written",
    "stateless": "Messages passed on that are no part of a document",
    "unrelated": "Clients whose copy shared nothing with the document",
    "resyncs": "Slow readers brought up to date with one diff",
    "reloads": "Documents dropped from memory after a fault and read again",
}


class DoorCollector(Collector):
    """Who was kept out, and who was sent away."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state
        counters = (
            ("places_refused", "Connections refused because too many were open", state["places"].refused),
            ("throttled", "Requests refused because there were too many", state["throttle"].refusals),
            ("door_refusals", "Requests refused by the door", state["door"].refusals),
            ("sessions_ended", "Connections ended because somebody may not be there any more", state["watch"].ended),
            ("roles_changed", "Roles changed while somebody was connected", state["watch"].changed_roles),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(f"coscribe_{name}", text, value=value)
        rules = CounterMetricFamily(
            "coscribe_transport_refusals", "Connections closed for breaking a rule of WebSocket", labels=["code"]
        )
        for code, count in state["heart"].refusals.items():
            rules.add_metric([str(code)], count)
        yield rules


class HubCollector(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        stats = self._hub.stats
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(f"coscribe_{name}", text, value=getattr(stats, name))
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"coscribe_{name}", text, value=getattr(stats, name))
        yield SummaryMetricFamily(
            "coscribe_commit_seconds", "Commits and the time they took", stats.commits, stats.commit_seconds
        )
        refusals = CounterMetricFamily("coscribe_refusals", "Connections closed by the server", labels=["reason"])
        for reason, count in stats.refusals.items():
            refusals.add_metric([reason], count)
        yield refusals
        yield GaugeMetricFamily("coscribe_ready", "1 while edits are taken and can be saved", value=self._hub.ready)


def render(state: State) -> bytes:
    """The text of `/metrics`: the counters, and the process's CPU time, memory and open files."""
    registry = CollectorRegistry()
    registry.register(HubCollector(state["hub"]))
    registry.register(DoorCollector(state))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
