"""Who did what, when and from where: the audit log, in the order in which it happened. Never content.

Rule A1: what changes who may do what is recorded in the transaction that changes it: both happened, or neither.
Rule A2: everything else (refusals, exports, deletions) is recorded a moment later, in a transaction of its own.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy import insert as insert_rows

from storage.tables import audit
from storage.transactions import Transactions

_EXPORT_PAGE = 500
_TEXT_MAX = 300


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf something happens. All None: the server itself, or its operator on the command line."""

    user_id: str | None = None
    user_name: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is worth an entry."""

    actor: Actor
    action: str
    document: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    id: int
    at_ms: int
    user_id: str | None
    user_name: str | None
    address: str | None
    action: str
    document: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; None for any."""

    user_id: str | None = None
    document: str | None = None
    action: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted = ((audit.c.user_id, self.user_id), (audit.c.document, self.document), (audit.c.action, self.action))
        return [column == value for column, value in wanted if value is not None]


def record(connection: Connection, now_ms: int, *events: Event) -> None:
    """Write entries inside the transaction of what they tell."""
    if events:
        connection.execute(insert_rows(audit), [_row(event, now_ms) for event in events])


def _row(event: Event, now_ms: int) -> dict[str, Any]:
    return {
        "at_ms": now_ms,
        "user_id": _printable(event.actor.user_id),
        "user_name": _printable(event.actor.user_name),
        "address": _printable(event.actor.address),
        "action": event.action,
        "document": _printable(event.document),
        "details": json.dumps(dict(event.details), ensure_ascii=True),
    }


def _printable(text: str | None) -> str | None:
    """Text from outside as it may be stored and shown: bounded, no control characters, no half surrogates."""
    if text is None:
        return None
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:_TEXT_MAX])


class AuditLog:
    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    async def write(self, events: Sequence[Event]) -> None:
        """Rule A2. After a lost transaction an entry may be there twice rather than not at all."""
        now_ms = self._now_ms()
        await self._transactions.write(lambda connection: record(connection, now_ms, *events))

    async def page(self, chosen: Filter, *, before: int | None, limit: int) -> list[Entry]:
        """The newest `limit` entries with a smaller number than `before`, newest first."""
        conditions = chosen.conditions()
        if before is not None:
            conditions.append(audit.c.pk < before)
        statement = select(audit).where(*conditions).order_by(audit.c.pk.desc()).limit(limit)
        return await self._transactions.read(lambda connection: [_entry(row) for row in connection.execute(statement)])

    async def export(self, chosen: Filter) -> AsyncIterator[Entry]:
        """Every entry, oldest first, as of when each page of them is read."""
        after = 0
        while page := await self._transactions.read(partial(_page_after, chosen, after)):
            for entry in page:
                yield entry
            after = page[-1].id


def _page_after(chosen: Filter, after: int, connection: Connection) -> list[Entry]:
    statement = select(audit).where(*chosen.conditions(), audit.c.pk > after).order_by(audit.c.pk).limit(_EXPORT_PAGE)
    return [_entry(row) for row in connection.execute(statement)]


def _entry(row: Any) -> Entry:
    return Entry(
        id=row.pk,
        at_ms=row.at_ms,
        user_id=row.user_id,
        user_name=row.user_name,
        address=row.address,
        action=row.action,
        document=row.document,
        details=json.loads(row.details),
    )
