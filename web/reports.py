"""What the engine tells whoever runs the server, as lines of the log."""

import structlog

from collab.ports import Reporter
from collab.types import DocumentId

log = structlog.get_logger(__name__)


class LogReporter(Reporter):
    def quarantined(self, document: DocumentId, reason: str) -> None:
        log.error(
            "a document went into quarantine; look at it, then `coscribe document release`",
            document=document,
            reason=reason,
        )
