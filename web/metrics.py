"""Prometheus metrics, read from the hub's counters when somebody asks: counting costs the way of an edit nothing."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from collab.hub import Hub

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
    "resyncs": "Slow readers brought up to date with one diff",
    "reloads": "Documents dropped from memory after a fault and read again",
}


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


def render(hub: Hub) -> bytes:
    """The text of `/metrics`: the hub's counters, and the process's CPU time, memory and open files."""
    registry = CollectorRegistry()
    registry.register(HubCollector(hub))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
