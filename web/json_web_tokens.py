"""AUTH=jwt: tokens that your own product signs. Checked by PyJWT; what it leaves open is decided here.

J1  One algorithm for each key: HS256 for the shared secret; for a public key the one that it names or is made for.
    What the token's header says must be that; `none` and everything else is refused.
J2  `exp` and `sub` are required, `aud` and `iss` too where the settings name one; `nbf` and `iat` count when there.
    Clocks may differ by 30 seconds.
J3  A claim that is there must be what it should be: a role that does not exist, `admin: "yes"` or a number as a
    name refuse the token, rather than being passed over.
J4  Keys come from the settings alone; `jku`, `x5u` and `jwk` in a header are not looked at.
J5  A browser may keep its token in the cookie, where no script can read it. There it counts for as long as it does
    elsewhere, and one that does not count is none: a page must be able to ask who it is.
"""

import time
from typing import Any, Final

import jwt
from jwt.exceptions import InvalidSubjectError
from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated
from collab.types import DocumentId, Role
from storage.access import Claim
from storage.engine import Database
from storage.people import check_user_id
from web.bearer import OurTokens, standing_of, token_of
from web.cookies import read_cookie
from web.key_set import Key, KeySet
from web.settings import Settings
from web.visitor import Found, Scope, Standing, Visitor, address_of, check_pattern

LEEWAY_SECONDS: Final = 30
_CHARACTERS_MAX: Final = 8192
_PATTERNS_MAX: Final = 1000
_OWN_AUDIENCE: Final = "coscribe"
_ROLES: Final = {role.name.lower(): role for role in Role}
_REASONS: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for somebody else",
    jwt.InvalidIssuerError: "the token is from somebody else",
    jwt.InvalidSignatureError: "the token's signature is wrong",
    jwt.InvalidAlgorithmError: "the token is signed in a way that its key is not for",
    InvalidSubjectError: "the token does not say whose it is",
}


class SharedSecrets:
    """HS256 with the secret of the settings, or the one before it."""

    def __init__(self, settings: Settings) -> None:
        secrets = (settings.jwt_secret.get_secret_value(), settings.jwt_old_secret.get_secret_value())
        self._keys = [Key("HS256", secret) for secret in secrets if secret]

    async def candidates(self, header: dict[str, Any]) -> list[Key]:
        return self._keys


class JsonWebTokens:
    """The `Authority` of AUTH=jwt."""

    waits = True

    def __init__(self, settings: Settings, database: Database, tokens: OurTokens, keys: SharedSecrets | KeySet) -> None:
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._database = database
        self._tokens = tokens
        self._keys = keys

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        token = token_of(connection)
        if token is None:
            return await self._by_cookie(connection) or Visitor(None, None, address=address_of(connection))
        visitor = await self._tokens.visitor(token, connection)
        if visitor is not None:
            return visitor
        return _visitor(await self.verify(token), address_of(connection))

    async def _by_cookie(self, connection: HTTPConnection[Any]) -> Visitor | None:
        token = read_cookie(connection)
        if token is None:
            return None
        try:
            return _visitor(await self.verify(token), address_of(connection))
        except NotAuthenticated:
            return None

    async def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token.

        Raises:
            NotAuthenticated: it does not count; the text says why.
            StoreUnavailable: the keys cannot be fetched.
        """
        if len(token) > _CHARACTERS_MAX:
            raise NotAuthenticated("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise NotAuthenticated("this is no JSON Web Token") from None
        failure: Exception = jwt.InvalidSignatureError()
        for key in await self._keys.candidates(header):
            try:
                return self._decode(token, header, key)
            except jwt.InvalidSignatureError as error:
                failure = error
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                failure = error
                break
        raise NotAuthenticated(_reason(failure))

    def _decode(self, token: str, header: dict[str, Any], key: Key) -> dict[str, Any]:
        if header.get("alg") != key.algorithm:
            raise jwt.InvalidAlgorithmError
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self._audience or None,
            issuer=self._issuer or None,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub"], "verify_aud": bool(self._audience)},
        )
        if not self._audience and "aud" in claims and _OWN_AUDIENCE not in _audiences(claims["aud"]):
            raise jwt.InvalidAudienceError
        return claims

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        (found,) = await self.again([(visitor, document)])
        if not isinstance(found, Standing):
            raise found
        return found

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return visitor.known and (_role(visitor, document) or 0) >= Role.EDITOR

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        ours = [(v, document) for v, document in seats if v.token_digest is not None]
        found = await self._database.access.look([Claim(d, token=v.token_digest) for v, d in ours]) if ours else []
        findings = dict(zip(map(id, (visitor for visitor, _ in ours)), found, strict=True))
        return [self._verdict(visitor, document, findings) for visitor, document in seats]

    def _verdict(self, visitor: Visitor, document: DocumentId, findings: dict[int, Any]) -> Standing | NotAuthenticated:
        if visitor.expires_at is not None and visitor.expires_at <= time.time():
            return NotAuthenticated("the token has expired")
        if visitor.token_digest is not None:
            finding = findings[id(visitor)]
            if finding is None:
                return NotAuthenticated("the token was revoked")
            return standing_of(visitor, document, finding)
        role = _role(visitor, document)
        return Standing(role, may_create=role is not None and role >= Role.EDITOR, until=visitor.expires_at)


def _role(visitor: Visitor, document: DocumentId) -> Role | None:
    return Role.OWNER if visitor.administrator else visitor.scope_role(document)


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks {error.claim}"
    return next((text for kind, text in _REASONS.items() if isinstance(error, kind)), "the token is malformed")


def _audiences(claim: Any) -> list[Any]:
    return claim if isinstance(claim, list) else [claim]


def _visitor(claims: dict[str, Any], address: str | None) -> Visitor:
    """Rule J3."""
    subject, name, administrator = claims["sub"], claims.get("name"), claims.get("admin", False)
    if any(isinstance(claims.get(date, 0), bool | str) for date in ("exp", "nbf", "iat")):
        raise NotAuthenticated("a time in the token is no number")
    if not isinstance(administrator, bool):
        raise NotAuthenticated("admin in the token is neither true nor false")
    if name is not None and not isinstance(name, str):
        raise NotAuthenticated("name in the token is no text")
    try:
        check_user_id(subject)
    except ValueError as error:
        raise NotAuthenticated(f"sub in the token cannot be used: {error}") from None
    return Visitor(
        subject,
        name,
        by="jwt",
        known=True,
        administrator=administrator,
        scope=_scope(claims.get("documents", {})),
        bounded=False,
        expires_at=_end(claims["exp"]),
        address=address,
    )


def _end(expires: float) -> float:
    """When a token stops counting: to the second, unless it came so late that only the leeway lets it in."""
    return expires if expires > time.time() else expires + LEEWAY_SECONDS


def _scope(claim: Any) -> Scope:
    if not isinstance(claim, dict) or len(claim) > _PATTERNS_MAX:
        raise NotAuthenticated("documents in the token is no map of document names to roles")
    scope = []
    for pattern, role in claim.items():
        if not isinstance(role, str) or role not in _ROLES:
            raise NotAuthenticated("documents in the token names a role that does not exist")
        try:
            scope.append((check_pattern(pattern), _ROLES[role]))
        except ValueError as error:
            raise NotAuthenticated(f"documents in the token: {error}") from None
    return tuple(scope)
