"""Counters of one hub: plain integers, so that counting costs nothing and whoever wants metrics reads them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    connections: int = 0
    """Sessions attached now."""
    rooms: int = 0
    """Rooms in memory now."""
    updates_received: int = 0
    """Updates accepted from clients, before merging."""
    flushes: int = 0
    """Merged updates relayed."""
    rows_committed: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    """Total time spent in commits."""
    commit_failures: int = 0
    """Commits that had to be tried again."""
    unsaved_bytes: int = 0
    """Edits accepted and not yet committed."""
    loads: int = 0
    """Rooms loaded from the store."""
    rows_loaded: int = 0
    """Rows replayed by those loads, beyond the checkpoints."""
    checkpoints_loaded: int = 0
    checkpoints_written: int = 0
    updates_held: int = 0
    """Updates that had to wait for edits they build on."""
    stateless: int = 0
    """Messages passed on that are no part of a document."""
    unrelated: int = 0
    """Clients that came with a copy that shared nothing with the document."""
    resyncs: int = 0
    """Slow readers brought up to date with one diff."""
    reloads: int = 0
    """Live documents dropped after a fault and read again from the store."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Sessions closed by us, by error name."""
