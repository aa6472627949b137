"""What the engine tells whoever runs the server, as lines of the log."""

import structlog

from collab.errors import CollabError
from collab.ports import Reporter
from collab.types import DocumentId
from web.quiet import Quiet

log = structlog.get_logger(__name__)


class LogReporter(Reporter):
    def __init__(self) -> None:
        self._quiet = Quiet()

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
