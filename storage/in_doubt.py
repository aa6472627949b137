"""Keeps an append from being stored twice when nobody knows whether its COMMIT went through.

A connection that breaks inside COMMIT, or a caller that is cancelled there, leaves the outcome open, and the caller may
come back with the same appends. What was to be written is remembered here until a look at the rows has settled it:

Rule L6: retrying the same appends after StoreUnavailable, or after a cancellation, stores each of them exactly once.

The look takes the documents' locks first, so it waits for a lost transaction that the database is still busy with.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, select

from collab.ports import Append
from collab.types import Seq
from storage.rows import lock_heads
from storage.tables import updates
from storage.transactions import Transactions

UNCLAIMED_MAX = 100_000
"""So many appends are remembered that turned out to be stored and were not asked for again; then the oldest go."""


class Row(NamedTuple):
    """One row of `updates`, in the order of the table's columns."""

    seq: int
    at_ms: int
    document_pk: int
    person_pk: int | None
    checksum: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What one transaction writes: the rows with their seqs, and what each append will be told."""

    appends: Sequence[Append]
    answers: list[Seq]
    rows: list[Row]


class InDoubt:
    def __init__(self) -> None:
        self._plans: list[Plan] = []
        self._stored: OrderedDict[Append, list[Seq]] = OrderedDict()
        self._settling = asyncio.Lock()

    def add(self, plan: Plan) -> None:
        """Remember a plan whose transaction has failed, or has been given up by its caller."""
        self._plans.append(plan)

    async def settle(self, transactions: Transactions) -> None:
        """Find out what has become of every plan.

        Raises:
            StoreUnavailable, StoreBroken: it stays open, and nothing may be appended meanwhile.
        """
        if not self._plans:
            return
        async with self._settling:
            while self._plans:
                plan = self._plans[0]
                if await transactions.write_once(partial(is_stored, plan)):
                    self._remember(plan)
                del self._plans[0]

    def answers(self, appends: Sequence[Append]) -> list[Seq | None]:
        """For each append the seq under which an earlier try has stored it, or None."""
        if not self._stored:
            return [None] * len(appends)
        seen: Counter[Append] = Counter()
        answers: list[Seq | None] = []
        for append in appends:
            known = self._stored.get(append, [])
            answers.append(known[seen[append]] if seen[append] < len(known) else None)
            seen[append] += 1
        return answers

    def claim(self, appends: Sequence[Append], answers: Sequence[Seq | None]) -> None:
        """The caller has been told these answers: asking for them once more stores them anew."""
        if not self._stored:
            return
        for append, seq in zip(appends, answers, strict=True):
            known = self._stored.get(append)
            if seq is not None and known is not None and seq in known:
                known.remove(seq)
                if not known:
                    del self._stored[append]

    def _remember(self, plan: Plan) -> None:
        for append, seq in zip(plan.appends, plan.answers, strict=True):
            self._stored.setdefault(append, []).append(seq)
        while len(self._stored) > UNCLAIMED_MAX:
            self._stored.popitem(last=False)


def is_stored(plan: Plan, connection: Connection) -> bool:
    """Whether the rows of a plan are in the log; once its documents' locks are held, that does not change any more."""
    lock_heads(connection, {append.document for append in plan.appends})
    by_document: dict[int, list[Row]] = {}
    for row in plan.rows:
        by_document.setdefault(row.document_pk, []).append(row)
    return all(_has_rows(connection, rows) for rows in by_document.values())


def _has_rows(connection: Connection, rows: list[Row]) -> bool:
    first, last = rows[0], rows[-1]
    statement = (
        select(updates)
        .where(updates.c.document_pk == first.document_pk, updates.c.seq.between(first.seq, last.seq))
        .order_by(updates.c.seq)
    )
    return [Row(*row) for row in connection.execute(statement)] == rows
