"""Who is asking, and what the ways of signing in have in common: the `Authority` port of the door."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated, StoreUnavailable
from collab.types import DocumentId, Role
from storage.accounts import Account, SignIn
from storage.audit_log import Actor

By = Literal["nobody", "cookie", "token", "jwt", "pass"]

Scope = tuple[tuple[str, Role], ...]
"""Roles by pattern of document names; `*` stands for any characters."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, before any document is involved."""

    user_id: str | None
    user_name: str | None
    by: By = "nobody"
    known: bool = False
    """Somebody in particular, or everybody may do everything."""
    guest: bool = False
    """Came by a share link, without an account."""
    administrator: bool = False
    account: Account | None = None
    sign_in: SignIn | None = None
    sign_in_digest: str | None = None
    token_digest: str | None = None
    """Of the secret of the sign-in or API token that all this rests on."""
    scope: Scope | None = None
    """The documents that the credential is for; None for no such limit."""
    bounded: bool = True
    """`scope` only narrows what the person may do; otherwise it is what gives the roles."""
    expires_at: float | None = None
    """Seconds since 1970 from which on the credential is worth nothing."""
    address: str | None = None

    @property
    def actor(self) -> Actor:
        return Actor(self.user_id, self.user_name, self.address)

    def scope_role(self, document: DocumentId) -> Role | None:
        """The highest role of the patterns that match."""
        return max((role for pattern, role in self.scope or () if matches(pattern, document)), default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do with one document."""

    role: Role | None
    may_create: bool = False
    """The document comes into being by being used."""
    until: float | None = None
    """Seconds since 1970 at which this has to be looked at again."""


Found: TypeAlias = Standing | NotAuthenticated | StoreUnavailable
"""What comes of looking again: the credential may count for nothing any more, or nobody can say just now."""


class Authority(Protocol):
    """Knows people and their roles; one for each way of signing in."""

    @property
    def waits(self) -> bool:
        """An answer may have to come from elsewhere, such as a database, and may take long."""
        ...

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        """
        Raises:
            NotAuthenticated: the request proves nothing, or claims something that is not so.
        """
        ...

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        """What `visitor` may do with `document`. Takes as long for one that does not exist."""
        ...

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        """Whether `visitor` may create a document of this name."""
        ...

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        """`standing` of each, as of now: whether the credential still counts, too.

        Raises:
            StoreUnavailable: of none of them.
        """
        ...


class Nobody:
    """Lets nobody in."""

    waits = False

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        raise NotAuthenticated("sign-in is required, and this server has no way to sign in")

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        return Standing(None)

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return False

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        return [NotAuthenticated("sign-in is required") for _ in seats]


class Everybody:
    """AUTH=none: nobody has a name, and everybody may do everything."""

    waits = False

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        return Visitor(None, None, known=True, administrator=True, address=address_of(connection))

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        return _EVERYTHING

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return True

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        return [_EVERYTHING for _ in seats]


_EVERYTHING = Standing(Role.OWNER, may_create=True)


def address_of(connection: HTTPConnection[Any]) -> str | None:
    """The client's; behind a trusted proxy, what that says it is."""
    client = connection.scope.get("client")
    return None if client is None else client[0]


def check_pattern(pattern: str) -> str:
    """
    Raises:
        ValueError: no document name can match it.
    """
    if _PATTERN.fullmatch(pattern) is None:
        raise ValueError("a pattern is a document's name, in which * stands for any characters")
    return pattern


_PATTERN = re.compile(r"[A-Za-z0-9._:~/*-]{1,255}", re.ASCII)


def matches(pattern: str, document: str) -> bool:
    """Whether a document's name matches. In linear time: people choose patterns, and regular expressions backtrack."""
    first, *rest = pattern.split("*")
    if not rest:
        return document == pattern
    *middle, last = rest
    at, end = len(first), len(document) - len(last)
    if at > end or not document.startswith(first) or not document.endswith(last):
        return False
    for part in middle:
        found = document.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
