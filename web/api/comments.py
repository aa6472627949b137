"""`/api/documents/{id}/comments/people`: how those are called who have commented on a document."""

from starlette.responses import Response

from collab.companions import comments_of
from collab.types import Grant
from web.api.bodies import Reply, respond
from web.state import AppRequest


class Commenter(Reply):
    id: str
    name: str
    guest: bool
    """Has no account: the name is one for all of them, and what they call themselves stands in their comments."""


class Commenters(Reply):
    people: list[Commenter]


async def list_commenters(request: AppRequest, grant: Grant) -> Response:
    """Everybody who has written among the comments; who was erased, or is gone, is left out."""
    found = await request.state["database"].history.writers(comments_of(grant.document))
    return respond(Commenters(people=[Commenter(id=one.user_id, name=one.name, guest=one.guest) for one in found]))
