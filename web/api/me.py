"""`/api/me`, signing in and out, the password, the browsers in which somebody is signed in."""

import contextlib
import time
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.errors import StoreUnavailable
from storage.accounts import Account, NewSignIn
from storage.audit_log import Actor
from storage.errors import EntryNotFound
from storage.rows import fold
from web.api.bodies import Reply, Schema, iso_time, optional_time, read_json, respond
from web.api.fields import Email, Line, PersonName, Secret
from web.bearer import token_of
from web.cookies import clear_cookie, may_sign_in, read_cookie, set_cookie
from web.minting import Kind
from web.passwords import check_password
from web.security import HttpsRequired, Suspended, WrongCredentials
from web.state import AppRequest
from web.times import DAY_MS
from web.visitor import Visitor, address_of

_AGENT_CHARACTERS_MAX = 200
_COOKIE_CHARACTERS_MAX = 3800
"""Browsers keep 4,096 bytes of a cookie, its name and attributes among them."""


class Myself(Reply):
    id: str
    name: str
    email: str | None
    administrator: bool
    guest: bool
    has_password: bool


class Provider(Reply):
    label: str


class Me(Reply):
    auth: str
    person: Myself | None
    expires_at: str | None
    first_run: bool
    oidc: Provider | None
    login_url: str | None


class Credentials(Schema):
    name: Annotated[Line, Field(min_length=1)]
    password: Secret


class Profile(Schema):
    name: PersonName | None = None
    email: Email | None = None


class PasswordChange(Schema):
    current: Secret
    new: Secret


class Browser(Reply):
    id: str
    created_at: str
    used_at: str
    expires_at: str
    address: str | None
    agent: str | None
    current: bool


class Browsers(Reply):
    sign_ins: list[Browser]


async def read_me(request: AppRequest, visitor: Visitor) -> Response:
    return respond(await me_of(request, visitor))


async def me_of(request: AppRequest, visitor: Visitor) -> Me:
    expires_ms = None if visitor.expires_at is None else int(visitor.expires_at * 1000)
    if visitor.account is not None:
        return await me_as(request, visitor.account, expires_ms)
    person = None
    if visitor.user_id is not None:
        name = visitor.user_name or visitor.user_id
        with contextlib.suppress(StoreUnavailable):  # Then it is the next time.
            await request.state["database"].history.remember_name(visitor.user_id, name)
        person = Myself(
            id=visitor.user_id,
            name=name,
            email=None,
            administrator=visitor.administrator,
            guest=False,
            has_password=False,
        )
    return await _me(request, person, expires_ms)


async def me_as(request: AppRequest, account: Account, expires_ms: int | None) -> Me:
    person = Myself(
        id=account.id,
        name=account.name,
        email=account.email,
        administrator=account.administrator,
        guest=account.guest,
        has_password=account.has_password,
    )
    return await _me(request, person, expires_ms)


async def _me(request: AppRequest, person: Myself | None, expires_ms: int | None) -> Me:
    settings = request.state["settings"]
    accounts = settings.auth == "accounts"
    return Me(
        auth=settings.auth,
        person=person,
        expires_at=optional_time(expires_ms),
        # Whoever is signed in need not be told, and the database need not be asked.
        first_run=accounts and person is None and not await request.state["database"].accounts.has_administrator(),
        oidc=Provider(label=settings.oidc_label) if accounts and settings.oidc_issuer else None,
        login_url=settings.jwt_login_url or None if settings.auth == "jwt" else None,
    )


async def change_me(request: AppRequest, visitor: Visitor) -> Response:
    profile = await read_json(request, Profile)
    account = _own(visitor)
    name = profile.name or account.name
    email = profile.email if "email" in profile.model_fields_set else account.email
    changed = await request.state["database"].accounts.rename(account.pk, name=name, email=email)
    return respond(await me_as(request, changed, int((visitor.expires_at or 0) * 1000)))


# -- signing in and out -----------------------------------------------------------------------------------------------


async def sign_in(request: AppRequest, visitor: Visitor) -> Response:
    require_safe_line(request)
    given = await read_json(request, Credentials)
    state, address = request.state, address_of(request)
    await state["throttle"].sign_in(address, fold(given.name))
    found = await state["database"].accounts.find_by_login(given.name)
    account, hashed = found if found is not None else (None, None)
    right, newer = await state["passwords"].verify(given.password.get_secret_value(), hashed)
    if account is None or not right:
        state["recorder"].note(Actor(address=address), "sign-in-failed", name=given.name)
        raise WrongCredentials("name or password is wrong")
    if account.suspended_at_ms is not None:
        state["recorder"].note(Actor(account.id, account.name, address), "sign-in-failed", reason="suspended")
        raise Suspended("your account is suspended; ask an administrator")
    if newer is not None and hashed is not None:
        await state["database"].accounts.upgrade_hash(account.pk, hashed, newer)
    return await begin(request, visitor, account, how="password")


async def begin(request: AppRequest, visitor: Visitor, account: Account, *, how: str) -> Response:
    """Sign somebody in: a new secret whatever the browser had before, which ends."""
    secret, new = new_sign_in(request)
    actor = Actor(account.id, account.name, visitor.address)
    await request.state["database"].accounts.begin(account, new, actor, replaces=visitor.sign_in_digest, how=how)
    if visitor.sign_in_digest is not None:
        request.state["watch"].news(user_id=visitor.user_id)
    return signed_in(request, respond(await me_as(request, account, new.expires_at_ms)), secret)


def new_sign_in(request: AppRequest) -> tuple[str, NewSignIn]:
    secret, digest = request.state["mint"].make(Kind.SIGN_IN)
    expires_ms = request.state["database"].now_ms() + int(request.state["settings"].sign_in_days * DAY_MS)
    agent = request.headers.get("user-agent", "")[:_AGENT_CHARACTERS_MAX]
    printable = "".join(character for character in agent if character.isprintable())
    return secret, NewSignIn(digest, expires_ms, address_of(request), printable or None)


def signed_in(request: AppRequest, response: Response, secret: str) -> Response:
    """The answer that brings the browser its cookie."""
    set_cookie(request, response, secret, int(request.state["settings"].sign_in_days * 24 * 3600))
    return response


def require_safe_line(request: AppRequest) -> None:
    """
    Raises:
        HttpsRequired: others could listen.
    """
    if not may_sign_in(request, request.state["settings"]):
        raise HttpsRequired(
            "signing in needs https; behind a proxy that ends TLS, put its address into TRUSTED_PROXIES"
        )


async def keep_token(request: AppRequest, visitor: Visitor) -> Response:
    """AUTH=jwt: the token that this request came with becomes the cookie of the browser, until it expires."""
    require_safe_line(request)
    token = token_of(request)
    if visitor.by != "jwt" or visitor.expires_at is None or token is None:
        raise HTTPException(404, "a browser keeps JSON Web Tokens only, and this server or this request has none")
    if len(token) > _COOKIE_CHARACTERS_MAX:
        raise HTTPException(413, f"a browser keeps no token of more than {_COOKIE_CHARACTERS_MAX} characters")
    response = respond(await me_of(request, visitor))
    set_cookie(request, response, token, max(1, int(visitor.expires_at - time.time())))
    request.state["recorder"].note(visitor.actor, "sign-in", **{"with": "token"})
    return response


async def sign_out(request: AppRequest, visitor: Visitor) -> Response:
    """Whoever asks is signed out afterwards, so it never fails."""
    if visitor.account is not None and visitor.sign_in is not None:
        with contextlib.suppress(EntryNotFound):  # Somebody else was faster.
            await request.state["database"].accounts.end(visitor.account.pk, visitor.sign_in.id, visitor.actor)
        request.state["watch"].news(user_id=visitor.user_id)
    return _cleared(request)


def _cleared(request: AppRequest) -> Response:
    response = Response(status_code=204)
    if read_cookie(request) is not None:
        clear_cookie(request, response)
    return response


# -- password and browsers --------------------------------------------------------------------------------------------


async def change_password(request: AppRequest, visitor: Visitor) -> Response:
    change = await read_json(request, PasswordChange)
    state, account = request.state, _own(visitor)
    await state["throttle"].sign_in(visitor.address, fold(account.name))
    accounts = state["database"].accounts
    right, _ = await state["passwords"].verify(
        change.current.get_secret_value(), await accounts.password_hash(account.pk)
    )
    if not right:
        state["recorder"].note(visitor.actor, "password-change-failed")
        raise WrongCredentials("the current password is wrong")
    new = good_password(change.new.get_secret_value(), "new", account.name, account.email)
    secret, sign_in = new_sign_in(request)
    await accounts.set_password(account.pk, await state["passwords"].hash(new), visitor.actor, sign_in)
    state["watch"].news(user_id=account.id)
    return signed_in(request, respond(await me_as(request, account, sign_in.expires_at_ms)), secret)


def good_password(password: str, field: str, *not_like: str | None) -> str:
    """
    Raises:
        ValidationError: as if the schema had refused it.
    """
    try:
        return check_password(password, *not_like)
    except ValueError as error:
        kind = PydanticCustomError("password", "{reason}", {"reason": str(error)})
        fault = InitErrorDetails(type=kind, loc=(field,), input=None)
        raise ValidationError.from_exception_data("password", [fault], hide_input=True) from None


async def list_sign_ins(request: AppRequest, visitor: Visitor) -> Response:
    found = await request.state["database"].accounts.sign_ins(_own(visitor).pk)
    current = None if visitor.sign_in is None else visitor.sign_in.id
    browsers = [
        Browser(
            id=str(each.id),
            created_at=iso_time(each.created_at_ms),
            used_at=iso_time(each.used_at_ms),
            expires_at=iso_time(each.expires_at_ms),
            address=each.address,
            agent=each.agent,
            current=each.id == current,
        )
        for each in found
    ]
    return respond(Browsers(sign_ins=browsers))


async def end_sign_in(request: AppRequest, visitor: Visitor) -> Response:
    await request.state["database"].accounts.end(_own(visitor).pk, id_in_path(request, "sign_in"), visitor.actor)
    request.state["watch"].news(user_id=visitor.user_id)
    return Response(status_code=204)


async def end_all_sign_ins(request: AppRequest, visitor: Visitor) -> Response:
    await request.state["database"].accounts.end_all(_own(visitor).id, visitor.actor)
    request.state["watch"].news(user_id=visitor.user_id)
    return _cleared(request)


def id_in_path(request: AppRequest, name: str) -> int:
    """
    Raises:
        EntryNotFound: no entry has such an id.
    """
    text: str = request.path_params[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise EntryNotFound("there is nothing with this id")
    return int(text)


def _own(visitor: Visitor) -> Account:
    if visitor.account is None:
        raise HTTPException(404, "you have no account on this server")
    return visitor.account
