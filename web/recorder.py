"""What can be written down a moment later, gathered: entries of the audit log, and when credentials were last used.

A flood of refusals becomes one entry with a count, and never more than a bounded number of entries a second; so nobody
fills the database by being refused.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator

import structlog

from collab.errors import StoreError
from storage.audit_log import Actor, Event
from storage.engine import Database

log = structlog.get_logger(__name__)

_PENDING_MAX = 500
_REFUSALS_EVERY = 15
"""Seconds over which the same refusals are counted into one entry."""
_USES_EVERY = 60

Refusal = tuple[Actor, str, str | None, str]
"""Who, the action refused, the document, the reason."""


class Recorder:
    """`note`, `refused` and the like return at once; `run` writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events: list[Event] = []
        self._refusals: Counter[Refusal] = Counter()
        self._overflow = 0
        self._sign_ins: set[int] = set()
        self._tokens: set[int] = set()
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        """Two at once would both write what is gathered, and then each forget as much."""

    def note(self, actor: Actor, action: str, document: str | None = None, **details: object) -> None:
        if len(self._events) < _PENDING_MAX:
            self._events.append(Event(actor, action, document, details))
        else:
            self._overflow += 1
        self._wake.set()

    def refused(self, actor: Actor, document: str | None, reason: str, what: str) -> None:
        key = (actor, what, document, reason)
        if key in self._refusals or len(self._refusals) < _PENDING_MAX:
            self._refusals[key] += 1
        else:
            self._overflow += 1

    def used_sign_in(self, sign_in_id: int) -> None:
        self._sign_ins.add(sign_in_id)

    def used_token(self, token_id: int) -> None:
        self._tokens.add(token_id)

    async def run(self) -> None:
        """Write what was gathered until cancelled. While the database is away, it is kept (bounded) and tried again."""
        second = 0
        while True:
            try:
                # Not wait_for: on Python 3.11 that swallows a cancellation in the moment in which it is done waiting.
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
                # Whatever happens in the same moment goes into the same transaction.
                await asyncio.sleep(0.05)
            except TimeoutError:
                second += 1
            self._wake.clear()
            try:
                await self.flush(refusals=second % _REFUSALS_EVERY == 0, uses=second % _USES_EVERY == 0)
            except StoreError as error:
                log.warning("the audit log cannot be written just now", error=str(error))
                await asyncio.sleep(2.0)

    async def flush(self, *, refusals: bool = True, uses: bool = True) -> None:
        """
        Raises:
            StoreError: what was not written is kept.
        """
        async with self._flushing:
            await self._flush(refusals=refusals, uses=uses)

    async def _flush(self, *, refusals: bool, uses: bool) -> None:
        events, counted = len(self._events), dict(self._refusals) if refusals else {}
        overflow = self._overflow if refusals else 0
        entries = [*self._events, *_refusals(counted, overflow)]
        if entries:
            await self._database.audit.write(entries)
            # Others may have come meanwhile.
            del self._events[:events]
            self._refusals -= Counter(counted)
            self._overflow -= overflow
        if uses and self._sign_ins:
            used, self._sign_ins = self._sign_ins, set()
            await self._database.accounts.touch(used)
        if uses and self._tokens:
            used, self._tokens = self._tokens, set()
            await self._database.credentials.touch(used)


def _refusals(counted: dict[Refusal, int], overflow: int) -> Iterator[Event]:
    for (actor, what, document, reason), count in counted.items():
        yield Event(actor, "refused", document, {"reason": reason, "wanted": what, "times": count})
    if overflow:
        yield Event(Actor(), "refused", None, {"reason": "too many to list", "times": overflow})
