"""The public keys of an identity provider, fetched from its JWKS address and kept up to date.

Keys are fetched anew when they are five minutes old, and when a token names one that is not among them, but never more
often than every ten seconds: whoever makes key ids up costs nothing. While the provider cannot be reached the keys of
the last time count, for an hour.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from collab.errors import StoreUnavailable

log = structlog.get_logger(__name__)

_FRESH_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 10.0
_TRUSTED_SECONDS: Final = 3600.0
_TIMEOUT: Final = 5.0
_BYTES_MAX: Final = 256 * 1024
_KEYS_MAX: Final = 100
_RSA_BITS_MIN: Final = 2048
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


@dataclass(frozen=True, slots=True)
class Key:
    algorithm: str
    key: Any


class KeySet:
    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._transport = transport
        self._keys: list[tuple[str | None, Key]] = []
        self._fetched_at = self._tried_at = -_TRUSTED_SECONDS
        self._fetching = asyncio.Lock()

    async def candidates(self, header: dict[str, Any]) -> list[Key]:
        """The key that a token's header names: none, or one.

        Raises:
            StoreUnavailable: there are no keys, and they cannot be fetched.
        """
        if time.monotonic() - self._fetched_at >= _FRESH_SECONDS:
            await self._fetch()
        found = self._find(header)
        if not found:
            await self._fetch()
            found = self._find(header)
        return found

    def _find(self, header: dict[str, Any]) -> list[Key]:
        if "kid" in header:
            return [key for name, key in self._keys if name == header["kid"]][:1]
        fitting = [key for _, key in self._keys if key.algorithm == header.get("alg")]
        return fitting if len(fitting) == 1 else []

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() - self._tried_at >= _RETRY_SECONDS:
                self._tried_at = time.monotonic()
                try:
                    self._keys = _keys(await self._download())
                    self._fetched_at = self._tried_at
                except (httpx2.HTTPError, ValueError) as error:
                    log.warning("the keys of JWT_JWKS_URL cannot be fetched", error=type(error).__name__)
        if time.monotonic() - self._fetched_at >= _TRUSTED_SECONDS:
            raise StoreUnavailable("the keys with which tokens are checked cannot be fetched just now")

    async def _download(self) -> Any:
        body = bytearray()
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT, transport=self._transport, trust_env=False) as client,
            client.stream("GET", self._url) as response,
        ):
            if response.status_code != 200:
                raise ValueError("not found")
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _BYTES_MAX:
                    raise ValueError("too large")
        return json.loads(bytes(body))


def _keys(document: Any) -> list[tuple[str | None, Key]]:
    """Rule J1: what is no public signature key of a kind that we take is left out.

    Raises:
        ValueError: this is no key set.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no key set")
    return [found for entry in document["keys"][:_KEYS_MAX] if (found := _key(entry)) is not None]


def _key(entry: Any) -> tuple[str | None, Key] | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    algorithm = _ALGORITHMS.get((str(entry.get("kty")), entry.get("crv")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
        return None
    name = entry.get("kid")
    return (name if isinstance(name, str) else None), Key(algorithm, key)
