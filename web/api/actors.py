"""On whose behalf a request acts, for the audit log."""

from collab.types import Grant
from storage.audit_log import Actor
from web.state import AppRequest
from web.visitor import address_of


def actor_of(request: AppRequest, grant: Grant) -> Actor:
    return Actor(grant.user_id, grant.user_name, address_of(request))
