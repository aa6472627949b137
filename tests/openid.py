"""An OpenID provider that plays along: its answers, whoever carries them."""

import json
import time
from html import escape
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.local_site import Answer, Asked

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)


class Provider:
    """
    Args:
        issuer: its address.
    """

    def __init__(self, issuer: str = "") -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {}
        """Put over those of a good id token."""
        self.discovery: dict[str, Any] = {}
        """Put over what it says of itself."""
        self.key = KEY
        self.nonce = ""
        self.verifier = ""

    def answer(self, asked: Asked) -> Answer:
        match asked.path:
            case "/.well-known/openid-configuration":
                return Answer(json=self._itself() | self.discovery)
            case "/authorize":
                return self._ask(asked.query)
            case "/keys":
                key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
                return Answer(json={"keys": [key | {"kid": "one"}]})
            case "/token":
                return self._token(asked.form)
        return Answer(404)

    def _itself(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def _ask(self, query: dict[str, str]) -> Answer:
        """The page on which somebody says yes."""
        self.nonce = query["nonce"]
        back = f"{query['redirect_uri']}?{urlencode({'code': 'right', 'state': query['state']})}"
        return Answer(page=f'<a href="{escape(back)}">Go on</a>')

    def _token(self, form: dict[str, str]) -> Answer:
        self.verifier = form["code_verifier"]
        if form["code"] != "right":
            return Answer(400, {"error": "invalid_grant"})
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "coscribe", "sub": "4711", "iat": now, "exp": now + 60}
        claims |= {"nonce": self.nonce} | self.claims
        token = jwt.encode(claims, self.key, "RS256", headers={"kid": "one"})
        return Answer(json={"access_token": "x", "token_type": "Bearer", "id_token": token})
