"""JSON Web Tokens for the servers of tests: what a product that knows the secret would sign."""

import time

import jwt

SECRET = "a secret of thirty-two characters"


def token(user: str, documents: dict[str, str], *, seconds: float = 600, **claims: object) -> str:
    """Somebody without a name who has roles in documents."""
    given = {"sub": user, "exp": time.time() + seconds, "aud": "coscribe", "documents": documents}
    return jwt.encode(given | claims, SECRET, "HS256")


def named_token(user: str, documents: dict[str, str], *, seconds: float = 600, **claims: object) -> str:
    """The same for somebody whose name is their id."""
    return token(user, documents, seconds=seconds, name=user, **claims)
