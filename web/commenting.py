"""Who may comment: an `Authority` that gives roles in companions (`collab.companions`) by those in their documents."""

from dataclasses import replace
from typing import Any

from starlette.requests import HTTPConnection

from collab.companions import ROLE_IN_COMPANION, commented_by
from collab.types import DocumentId, Role
from web.visitor import Authority, Found, Standing, Visitor


class WithComments:
    """An `Authority` that knows of companions, besides the documents that another one knows."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.waits = authority.waits

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        return await self._authority.identify(connection)

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        base = commented_by(document)
        if base is None:
            return await self._authority.standing(visitor, document)
        return _in_companion(await self._authority.standing(visitor, base))

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return commented_by(document) is None and await self._authority.may_create(visitor, document)

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        bases = [commented_by(document) for _, document in seats]
        asked = [(visitor, base or document) for (visitor, document), base in zip(seats, bases, strict=True)]
        found = await self._authority.again(asked)
        return [
            _in_companion(each) if base is not None and isinstance(each, Standing) else each
            for each, base in zip(found, bases, strict=True)
        ]


def _in_companion(standing: Standing) -> Standing:
    """The first comment brings the companion into being."""
    if standing.role is None:
        return standing
    role = ROLE_IN_COMPANION[standing.role]
    return replace(standing, role=role, may_create=role >= Role.EDITOR)
