"""On whose behalf a request acts, for the audit log, and what it did, for the document's history."""

import contextlib

from collab.errors import StoreUnavailable
from collab.history.ports import NewEvent
from collab.types import Grant
from storage.audit_log import Actor
from web.state import AppRequest
from web.visitor import address_of


def actor_of(request: AppRequest, grant: Grant) -> Actor:
    return Actor(grant.user_id, grant.user_name, address_of(request))


async def note_event(request: AppRequest, grant: Grant, event: NewEvent) -> None:
    """Put an export or import on the document's timeline. It has happened, also if that cannot be written just now."""
    with contextlib.suppress(StoreUnavailable):
        await request.state["database"].history.add_event(grant.document, event)
