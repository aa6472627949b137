"""Signing in with an OpenID provider: the authorization code flow with PKCE, by Authlib.

O1  What goes out with the browser (state, nonce, verifier, where to return) comes back in a cookie that only this
    server can have made, and counts once, for ten minutes.
O2  Nothing of an id token is believed before its signature, issuer, audience, time and nonce are checked.
O3  An account is recognised by issuer and subject. The first time, by an e-mail address that the provider says it
    has verified, and only if the account does not belong to another subject already.
"""

import json
import secrets
import time
from typing import Any, Final

import httpx2
import jwt
import structlog
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]

from storage.accounts import Account, NewAccount
from storage.audit_log import Actor
from storage.engine import Database
from storage.errors import NameTaken
from web.key_set import KeySet
from web.settings import Settings
from web.sign_on import FLOW_SECONDS, Flow, SignOnFailed

log = structlog.get_logger(__name__)

_LEEWAY: Final = 30
_TIMEOUT: Final = 10.0
_DISCOVERY_SECONDS: Final = 3600.0
_NAME_TRIES: Final = 20


class SingleSignOn:
    def __init__(
        self, settings: Settings, database: Database, key: bytes, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._database = database
        self._key = key
        self._transport = transport
        self._found: dict[str, Any] = {}
        self._found_at = -_DISCOVERY_SECONDS
        self._keys: KeySet | None = None

    async def begin(self, redirect_uri: str, target: str) -> Flow:
        """
        Raises:
            SignOnFailed: the provider cannot be reached.
        """
        provider = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        async with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                provider["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        held = {"state": state, "nonce": nonce, "verifier": verifier, "target": target}
        cookie = jwt.encode(held | {"exp": time.time() + FLOW_SECONDS}, self._key, "HS256")
        return Flow(address, cookie)

    async def finish(self, redirect_uri: str, query: dict[str, str], cookie: str | None) -> tuple[Account, str]:
        """The account of whoever comes back, and where they wanted to go.

        Raises:
            SignOnFailed.
        """
        held = self._held(query.get("state", ""), cookie)
        if "code" not in query:
            raise SignOnFailed("oidc-failed")
        provider = await self._discover()
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(
                    provider["token_endpoint"], code=query["code"], code_verifier=held["verifier"]
                )
        except (AuthlibBaseError, httpx2.HTTPError, ValueError) as error:
            log.warning("the OpenID provider gave no token", error=type(error).__name__)
            raise SignOnFailed("oidc-failed") from None
        claims = await self._claims(str(token.get("id_token", "")), held["nonce"])
        return await self._account(claims), held["target"]

    def _held(self, state: str, cookie: str | None) -> dict[str, str]:
        try:
            held: dict[str, str] = jwt.decode(
                cookie or "", self._key, algorithms=["HS256"], options={"require": ["exp"]}
            )
        except jwt.PyJWTError:
            raise SignOnFailed("oidc-failed") from None
        if not secrets.compare_digest(state.encode(), held["state"].encode()):
            raise SignOnFailed("oidc-failed")
        return held

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._settings.oidc_client_id,
            self._settings.oidc_client_secret.get_secret_value() or None,
            scope="openid profile email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
            trust_env=False,
            **({} if self._transport is None else {"transport": self._transport}),
        )

    async def _discover(self) -> dict[str, Any]:
        if time.monotonic() - self._found_at < _DISCOVERY_SECONDS:
            return self._found
        issuer = self._settings.oidc_issuer
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=False, transport=self._transport) as client:
                response = await client.get(f"{issuer}/.well-known/openid-configuration")
                found = response.raise_for_status().json()
            if found["issuer"].rstrip("/") != issuer:
                raise ValueError("the provider calls itself otherwise")
            addresses = [found[name] for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            # An https issuer whose keys or tokens came over http would be no better than http itself.
            if issuer.startswith("https:") and not all(str(address).startswith("https:") for address in addresses):
                raise ValueError("the provider has addresses without https")
        except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the OpenID provider does not say how to use it", error=str(error) or type(error).__name__)
            raise SignOnFailed("oidc-failed") from None
        self._found, self._found_at = found, time.monotonic()
        self._keys = KeySet(found["jwks_uri"], self._transport)
        return self._found

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Rule O2."""
        assert self._keys is not None
        try:
            header = jwt.get_unverified_header(token)
            (key,) = await self._keys.candidates(header)
            if header.get("alg") != key.algorithm:
                raise jwt.InvalidAlgorithmError
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._settings.oidc_client_id,
                issuer=self._found["issuer"],
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            log.warning("the OpenID provider's token does not count", error=type(error).__name__)
            raise SignOnFailed("oidc-failed") from None
        party = claims.get("azp", self._settings.oidc_client_id)
        if claims.get("nonce") != nonce or party != self._settings.oidc_client_id:
            raise SignOnFailed("oidc-failed")
        return claims

    async def _account(self, claims: dict[str, Any]) -> Account:
        """Rule O3."""
        accounts = self._database.accounts
        subject = json.dumps([claims["iss"], claims["sub"]])
        account = await accounts.find_by_subject(subject)
        email = claims.get("email") if claims.get("email_verified") is True else None
        if account is None and isinstance(email, str) and "@" in email:
            found = await accounts.find_by_login(email)
            if found is not None and await accounts.link_subject(found[0].pk, subject):
                account = found[0]
        if account is None and self._settings.oidc_create_accounts:
            account = await self._create(claims, subject, email)
        if account is None:
            raise SignOnFailed("no-account")
        if account.suspended_at_ms is not None:
            raise SignOnFailed("suspended")
        return account

    async def _create(self, claims: dict[str, Any], subject: str, email: Any) -> Account | None:
        from web.api.fields import NAME_CHARACTERS_MAX

        given = next((claims[name] for name in ("name", "preferred_username") if isinstance(claims.get(name), str)), "")
        printable = "".join(character for character in given if character.isprintable() and character != "@")
        name = " ".join(printable.split())[: NAME_CHARACTERS_MAX - 5] or "Somebody"
        for number in range(1, _NAME_TRIES):
            new = NewAccount(
                name if number == 1 else f"{name} {number}",
                email if isinstance(email, str) else None,
                oidc_subject=subject,
            )
            try:
                return await self._database.accounts.create(new, Actor(None, "single sign-on"))
            except NameTaken as error:
                if error.field == "email":
                    return None  # Somebody else's account has the address: it is theirs to link.
        return None
