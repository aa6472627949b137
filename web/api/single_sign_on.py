"""`/api/oidc`: out to the OpenID provider, and back."""

from typing import Annotated

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from web.api.bodies import Schema, read_query
from web.api.invitations import base_url
from web.api.me import begin, require_safe_line
from web.cookies import cookie_name, is_secure
from web.sign_on import FLOW_SECONDS, SignOn, SignOnFailed
from web.state import AppRequest
from web.visitor import Visitor

_SIGN_IN_PAGE = "/sign-in"


class StartQuery(Schema):
    next: Annotated[str, Field(max_length=1000, description="A path of this server to come back to")] = "/"


async def start(request: AppRequest, visitor: Visitor) -> Response:
    sign_on = _sign_on(request)
    require_safe_line(request)
    query = read_query(request, StartQuery)
    try:
        flow = await sign_on.begin(_redirect_uri(request), local_path(query.next))
    except SignOnFailed as error:
        return _failed(error)
    response = RedirectResponse(flow.address, 302)
    response.set_cookie(
        _cookie(request), flow.cookie, FLOW_SECONDS, secure=is_secure(request), httponly=True, samesite="lax"
    )
    return response


async def callback(request: AppRequest, visitor: Visitor) -> Response:
    sign_on = _sign_on(request)
    require_safe_line(request)
    cookie = request.cookies.get(_cookie(request))
    try:
        account, target = await sign_on.finish(_redirect_uri(request), dict(request.query_params), cookie)
    except SignOnFailed as error:
        request.state["recorder"].note(visitor.actor, "sign-in-failed", reason=error.code)
        response: Response = _failed(error)
    else:
        signed_in = await begin(request, visitor, account, how="single sign-on")
        response = RedirectResponse(target, 302)
        response.raw_headers += [header for header in signed_in.raw_headers if header[0] == b"set-cookie"]
    response.delete_cookie(_cookie(request), secure=is_secure(request), httponly=True, samesite="lax")
    return response


def local_path(path: str) -> str:
    """A path of this server, whatever was asked for: a sign-in must not end on somebody else's page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if is_local and "\\" not in path else "/"


def _sign_on(request: AppRequest) -> SignOn:
    sign_on = request.state["sign_on"]
    if sign_on is None:
        raise HTTPException(404, "this server has no single sign-on")
    return sign_on


def _redirect_uri(request: AppRequest) -> str:
    return f"{base_url(request)}/api/oidc/callback"


def _cookie(request: AppRequest) -> str:
    return f"{cookie_name(request)}-oidc"


def _failed(error: SignOnFailed) -> RedirectResponse:
    return RedirectResponse(f"{_SIGN_IN_PAGE}#error={error.code}", 302)
