"""Secrets that we hand out: sign-ins, API tokens, links, tickets. Random, long, and recognisable as ours.

Half of a secret's tail is a keyed hash of the rest, so one that we never made is refused for the price of that hash:
whoever guesses reaches neither the database nor anything slow. Of those that we made, the database knows the SHA-256;
passes (`web.bearer`) it does not know at all.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from enum import StrEnum

_RANDOM_BYTES = 24
_MAC_BYTES = 12
_SIGNATURE_BYTES = 24
_BODY_CHARACTERS = (_RANDOM_BYTES + _MAC_BYTES) * 4 // 3


class Kind(StrEnum):
    """What a secret is for; its first letters, so that one kind never passes for another."""

    SIGN_IN = "css"
    TOKEN = "cst"
    INVITATION = "csi"
    SHARE_LINK = "csl"
    TICKET = "csk"
    PASS = "csp"
    """Says itself what it is for; the database knows nothing of it."""


class Mint:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, kind: Kind) -> tuple[str, str]:
        """A new secret, and the digest to store instead of it."""
        body = secrets.token_bytes(_RANDOM_BYTES)
        text = f"{kind}_{base64.urlsafe_b64encode(body + self._mac(kind, body)).decode()}"
        return text, _digest(text)

    def digest(self, kind: Kind, text: str) -> str | None:
        """The digest of a secret of ours; None for anything else."""
        prefix, _, encoded = text.partition("_")
        if prefix != kind or len(encoded) != _BODY_CHARACTERS:
            return None
        try:
            decoded = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = decoded[:_RANDOM_BYTES], decoded[_RANDOM_BYTES:]
        return _digest(text) if hmac.compare_digest(mac, self._mac(kind, body)) else None

    def sign(self, kind: Kind, content: bytes) -> str:
        """A secret that carries `content`, for everybody to read."""
        key, person = self._key, kind.encode()
        signature = hashlib.blake2b(content, digest_size=_SIGNATURE_BYTES, key=key, person=person).digest()
        return f"{kind}_{base64.urlsafe_b64encode(content + signature).decode().rstrip('=')}"

    def signed(self, kind: Kind, text: str) -> bytes | None:
        """What a secret from `sign` carries; None for anything else."""
        prefix, _, encoded = text.partition("_")
        if prefix != kind:
            return None
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        # Compared as a whole: one secret has one spelling.
        content = decoded[:-_SIGNATURE_BYTES]
        return content if hmac.compare_digest(text.encode(), self.sign(kind, content).encode()) else None

    def derived(self, purpose: str) -> bytes:
        """A key for something else, which tells nothing about this one."""
        return hmac.digest(self._key, purpose.encode(), "sha256")

    def _mac(self, kind: Kind, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_MAC_BYTES, key=self._key, person=kind.encode()).digest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
