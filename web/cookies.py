"""The cookie of a sign-in: where it may be set, what it is called, and how it is read.

Over https it is `__Host-coscribe`: browsers take that name only with Secure, without Domain and for the whole host, so
neither a sibling domain nor a plain-http page can plant another one.

Over plain http there is one case in which it is set at all: the server is asked for by a name of this machine
(localhost, 127.0.0.1, [::1]), so that nobody else is on the line. Browsers disagree on whether a Secure cookie may be
set there, so it goes without; it is called `coscribe-PORT`, because browsers keep one jar for all ports of a host. Each
scheme reads its own name only: a cookie that was set over http never counts over https.
"""

import re
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from web.settings import Settings, is_loopback

_SECURE_NAME = "__Host-coscribe"
_PORT = re.compile(r":([0-9]{1,5})$", re.ASCII)
_SECURE_SCHEMES = frozenset({"https", "wss"})


def is_secure(connection: HTTPConnection[Any]) -> bool:
    return connection.scope["scheme"] in _SECURE_SCHEMES


def may_sign_in(connection: HTTPConnection[Any], settings: Settings) -> bool:
    """Whether a cookie may travel on this line."""
    if is_secure(connection) or settings.plain_http_sign_in:
        return True
    return is_loopback(_PORT.sub("", connection.headers["host"]).strip("[]").lower())


def cookie_name(connection: HTTPConnection[Any]) -> str:
    if is_secure(connection):
        return _SECURE_NAME
    port = _PORT.search(connection.headers.get("host", ""))
    return f"coscribe-{port[1] if port else 80}"


def read_cookie(connection: HTTPConnection[Any]) -> str | None:
    return connection.cookies.get(cookie_name(connection))


def set_cookie(connection: HTTPConnection[Any], response: Response, secret: str, seconds: int) -> None:
    response.set_cookie(
        cookie_name(connection),
        secret,
        max_age=seconds,
        path="/",
        secure=is_secure(connection),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(connection: HTTPConnection[Any], response: Response) -> None:
    response.delete_cookie(
        cookie_name(connection), path="/", secure=is_secure(connection), httponly=True, samesite="lax"
    )
