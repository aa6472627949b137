"""What the engine tells whoever runs the server, as lines of the log."""

import time

import structlog

from collab.errors import CollabError, StoreError
from collab.ports import Reporter
from collab.types import DocumentId
from web.quiet import Quiet

log = structlog.get_logger(__name__)


_LINE_SECONDS = 60
"""A database that comes and goes has a line this often."""


class LogReporter(Reporter):
    def __init__(self) -> None:
        self._quiet = Quiet()
        self._silent_until = 0.0
        self._waited = 0
        self._told = False

    def refused(self, document: DocumentId, user_id: str | None, error: CollabError) -> None:
        kind = type(error).__name__
        if self._quiet.may_say(document, user_id, kind):
            log.warning("a connection was closed", document=document, user=user_id, reason=kind, code=error.close_code)

    def quarantined(self, document: DocumentId, reason: str) -> None:
        log.error(
            "a document went into quarantine; look at it, then `coscribe document release`",
            document=document,
            reason=reason,
        )

    def unrelated(self, document: DocumentId, user_id: str | None) -> None:
        if self._quiet.may_say(document, user_id, "unrelated"):
            log.warning(
                "a client's copy shares nothing with the document: is it filled before it has synced?",
                document=document,
                user=user_id,
            )

    def saving_failed(self, error: StoreError) -> None:
        self._waited += 1
        if self._silent_until > (now := time.monotonic()):
            return
        self._silent_until = now + _LINE_SECONDS
        log.error(
            "edits cannot be saved just now; they are kept in memory, nothing is acknowledged, and it is tried again",
            reason=str(error),
            detail="; ".join(getattr(error, "__notes__", ())),
            times=self._waited,
        )
        self._told, self._waited = True, 0

    def saving_again(self, seconds: float) -> None:
        if self._told:
            log.warning("everything is saved again", after_seconds=round(seconds, 1))
            self._told = False
