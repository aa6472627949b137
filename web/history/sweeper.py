"""Retention as the settings have it: once a day, whatever has become old enough is thinned out."""

import asyncio
from collections.abc import Callable

import structlog

from collab.errors import CollabError
from collab.history.thinning import Keep
from storage.audit_log import Actor
from storage.engine import Database
from web.history.process import HistoryFailed, HistoryProcess
from web.times import DAY_MS

log = structlog.get_logger(__name__)

_CALM_SECONDS = 60.0
"""After the start, when there is enough to do."""
_EVERY_SECONDS = 60 * 60.0
"""How often it is looked whether another day has become old enough."""
_PAUSE_SECONDS = 0.05


class Sweeper:
    def __init__(
        self, database: Database, history: HistoryProcess, keep: Keep, days: int, now_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._history = history
        self._keep = keep
        self._days = days
        self._now_ms = now_ms
        self._left_behind = False
        """What was thinned out may still be in the database's files."""

    async def run(self) -> None:
        await asyncio.sleep(_CALM_SECONDS)
        while True:
            try:
                await self.sweep()
            except CollabError as error:
                log.warning("old history could not be thinned out", error=str(error))
            await asyncio.sleep(_EVERY_SECONDS)

    async def sweep(self) -> int:
        """Thin out every document that has rows of whole days that are old enough; returns how many were.

        Raises:
            StoreUnavailable: it is tried again with the next sweep.
        """
        thinned = 0
        # Whole days: otherwise every look would find some more.
        before_ms = (self._now_ms() // DAY_MS - self._days) * DAY_MS
        for document in await self._database.retention.due(before_ms):
            try:
                thinning = await self._history.thinning(document, before_ms, self._keep)
                if thinning is not None:
                    thinned += await self._database.retention.thin(document, thinning, Actor())
            except (CollabError, HistoryFailed) as error:
                log.warning("a document's history cannot be thinned out", document=document, error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
        if thinned:
            log.info("old history was thinned out", documents=thinned, to=self._keep.value)
            self._left_behind = True
        if self._left_behind:
            await self._database.wipe()
            self._left_behind = False
        return thinned
