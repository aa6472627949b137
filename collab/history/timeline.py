"""The story of a document, newest first: sessions of editing, named versions, restores, imports and exports."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from collab.history.index import SpanBuilder
from collab.history.ports import Event, EventKind, Span, Version
from collab.types import Seq


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    pause_ms: int
    """A pause that ends a session."""
    limit: int
    skip: int = 0
    """How many entries come before the page."""
    user_id: str | None = None
    anybody: bool = True
    """False: only entries of `user_id`, None being everybody without an account."""
    from_ms: int | None = None
    to_ms: int | None = None
    through: Seq | None = None
    """Rows beyond this one are left out, so that the pages of one reading fit together while people write."""


@dataclass(frozen=True, slots=True)
class Entry:
    at_ms: int
    seq: Seq
    """Where it stands in the log."""
    order: int
    """Among entries of the same seq and time."""
    user_id: str | None
    started_ms: int
    fields: dict[str, Any]


def timeline(
    spans: Iterable[Span], versions: Iterable[Version], events: Iterable[Event], query: TimelineQuery
) -> tuple[list[Entry], bool]:
    """One page of entries, and whether there are more."""
    entries = [*_sessions(spans, query.pause_ms), *map(_version, versions), *_events(events)]
    chosen = [entry for entry in entries if _is_wanted(entry, query)]
    chosen.sort(key=lambda entry: (entry.seq, entry.order, entry.at_ms), reverse=True)
    end = query.skip + query.limit
    return chosen[query.skip : end], len(chosen) > end


def _is_wanted(entry: Entry, query: TimelineQuery) -> bool:
    return (
        (query.anybody or entry.user_id == query.user_id)
        and (query.from_ms is None or entry.at_ms >= query.from_ms)
        and (query.to_ms is None or entry.started_ms <= query.to_ms)
        and (query.through is None or entry.seq <= query.through)
    )


def _sessions(spans: Iterable[Span], pause_ms: int) -> Iterable[Entry]:
    builder = SpanBuilder(pause_ms)
    for span in spans:
        builder.add(span)
    for session in builder.spans():
        fields = {
            "kind": "session",
            "from_seq": session.first,
            "to_seq": session.last,
            "updates": session.updates,
            "added": session.added,
            "removed": session.removed,
        }
        yield Entry(session.ended_ms, session.last, 0, session.user_id, session.started_ms, fields)


def _version(version: Version) -> Entry:
    fields = {"kind": "version", "id": version.id, "seq": version.seq, "name": version.name}
    return Entry(version.at_ms, version.seq, 1, version.user_id, version.at_ms, fields)


def _events(events: Iterable[Event]) -> Iterable[Entry]:
    for event in events:
        if event.kind is EventKind.RESTORE and event.row is None:
            continue  # Its edit never came into the log.
        fields: dict[str, Any] = {"kind": event.kind.value, "id": event.id, "seq": event.seq, "detail": event.detail}
        if event.row is not None:
            fields["row"] = event.row
        yield Entry(event.at_ms, event.row or event.seq, 2, event.user_id, event.at_ms, fields)
