"""`coscribe user …` and `coscribe token …`: over the API, as the operator (see `web.operator`)."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from web.cli_common import ask, fail, over_api, read_settings

if TYPE_CHECKING:
    import httpx2

    from web.settings import Settings

T = TypeVar("T")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw]?)", re.ASCII)
_ROLES = ("reader", "commenter", "editor", "owner")

user_commands = typer.Typer(help="People with an account.", no_args_is_help=True)
token_commands = typer.Typer(help="Tokens for programs, and for your own product's tests.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or e-mail address of the person.")]


# -- user -------------------------------------------------------------------------------------------------------------


@user_commands.command("list")
def list_users(
    query: Annotated[str | None, typer.Option(help="Only those with this text in their name or address.")] = None,
) -> None:
    """List everybody with an account, one JSON object a line."""
    import json

    async def work(client: "httpx2.AsyncClient") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            asked = {name: value for name, value in (("q", query), ("after", after)) if value}
            page = await ask(client, "GET", "/api/admin/people", params=asked)
            found += page["people"]
            after = page["next"]
            if after is None:
                return found

    for person in _with_accounts(work):
        typer.echo(json.dumps(person, ensure_ascii=False))


@user_commands.command("invite")
def invite_user(
    name: Annotated[str | None, typer.Option(help="A name to suggest.")] = None,
    email: Annotated[str | None, typer.Option(help="An e-mail address to suggest. Nothing is sent there.")] = None,
    administrator: Annotated[bool, typer.Option("--administrator", help="Make them an administrator.")] = False,
) -> None:
    """Print a link, on the last line, by which somebody makes an account. It works once."""
    body = {"name": name, "email": email, "administrator": administrator}
    typer.echo(_with_accounts(lambda client: ask(client, "POST", "/api/admin/invitations", json=body))["url"])


@user_commands.command("password")
def password_link(name: Name) -> None:
    """Print a link, on the last line, by which somebody sets a new password. It works once."""

    async def work(client: "httpx2.AsyncClient") -> str:
        person = await _find(client, name)
        made = await ask(client, "POST", f"/api/admin/people/{person['id']}/password-link")
        return str(made["url"])

    typer.echo(_with_accounts(work))


@user_commands.command("suspend")
def suspend_user(name: Name) -> None:
    """Let somebody in no more: sign-ins end, tokens do not count, open documents close."""
    _change(name, suspended=True)
    typer.echo(f"{name} is suspended.")


@user_commands.command("unsuspend")
def unsuspend_user(name: Name) -> None:
    """Let somebody in again."""
    _change(name, suspended=False)
    typer.echo(f"{name} may sign in.")


@user_commands.command("administrator")
def make_administrator(
    name: Name, no: Annotated[bool, typer.Option("--no", help="Take it away instead.")] = False
) -> None:
    """Make somebody an administrator."""
    _change(name, administrator=not no)
    typer.echo(f"{name} is {'no' if no else 'an'} administrator.")


@user_commands.command("sign-out")
def sign_user_out(name: Name) -> None:
    """End somebody's sign-ins everywhere. Their tokens stay."""

    async def work(client: "httpx2.AsyncClient") -> None:
        person = await _find(client, name)
        await ask(client, "POST", f"/api/admin/people/{person['id']}/sign-out")

    _with_accounts(work)
    typer.echo(f"{name} is signed out everywhere.")


def _change(name: str, **values: bool) -> None:
    async def work(client: "httpx2.AsyncClient") -> None:
        person = await _find(client, name)
        await ask(client, "PATCH", f"/api/admin/people/{person['id']}", json=values)

    _with_accounts(work)


async def _find(client: "httpx2.AsyncClient", name: str) -> dict[str, Any]:
    from storage.rows import fold

    found = await ask(client, "GET", "/api/admin/people", params={"q": name})
    wanted = fold(name.strip())
    for person in found["people"]:
        if wanted in (fold(person["name"]), fold(person["email"] or "")):
            return dict(person)
    fail(f"there is nobody called {name}")


# -- token ------------------------------------------------------------------------------------------------------------


@token_commands.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="Whose token it is: an account's name, or any name for a program.")],
    document: Annotated[
        list[str], typer.Option(help="A document's name; * stands for any characters. May be given several times.")
    ],
    role: Annotated[str, typer.Option(help="|".join(_ROLES), metavar="ROLE")] = "editor",
    expires: Annotated[
        str, typer.Option(help="When it ends: 90s, 30m, 12h, 30d, 8w from now, a date, or never (not with AUTH=jwt).")
    ] = "30d",
    administrator: Annotated[bool, typer.Option("--administrator", help="It may do everything.")] = False,
) -> None:
    """Print a token alone on the last line: a JSON Web Token if there is a JWT_SECRET, else one that can be revoked."""
    settings = read_settings()
    if settings.auth == "none":
        fail("with AUTH=none everybody may do everything, without a token")
    if role not in _ROLES:
        fail(f"a role is one of {', '.join(_ROLES)}")
    documents = dict.fromkeys(map(_pattern, document), role)
    end = _end(expires)
    if settings.auth == "jwt" and settings.jwt_secret.get_secret_value():
        typer.echo(_signed(settings, user, documents, end, administrator))
        return
    body = {
        "user": user,
        "documents": documents,
        "administrator": administrator,
        "expires_at": None if end is None else end.isoformat(),
    }
    typer.echo(over_api(lambda client: ask(client, "POST", "/api/admin/tokens", json=body))["token"])


@token_commands.command("list")
def list_tokens() -> None:
    """List the tokens that can be revoked, one JSON object a line."""
    import json

    for token in over_api(lambda client: ask(client, "GET", "/api/admin/tokens"))["tokens"]:
        typer.echo(json.dumps(token, ensure_ascii=False))


@token_commands.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")]) -> None:
    """End a token. Connections that use it are closed."""
    if not token.isalnum():
        fail("an id is what `coscribe token list` shows under id")
    over_api(lambda client: ask(client, "DELETE", f"/api/admin/tokens/{token}"))
    typer.echo(f"Token {token} is revoked.")


def _signed(
    settings: "Settings", user: str, documents: dict[str, str], end: datetime | None, administrator: bool
) -> str:
    import jwt

    if end is None:
        fail("a JSON Web Token has to end some time")
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "sub": user,
        "name": user,
        "iat": now,
        "exp": end,
        "aud": settings.jwt_audience or "coscribe",
        "documents": documents,
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if administrator:
        claims["admin"] = True
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), "HS256")


def _pattern(text: str) -> str:
    from web.visitor import check_pattern

    try:
        return check_pattern(text)
    except ValueError as error:
        fail(str(error))


def _end(text: str) -> datetime | None:
    if text == "never":
        return None
    now = datetime.now(UTC)
    duration = _DURATION.fullmatch(text)
    try:
        if duration is not None:
            end = now + timedelta(**{_UNITS[duration[2] or "s"]: int(duration[1])})
        else:
            parsed = datetime.fromisoformat(text)
            end = parsed if parsed.tzinfo is not None else parsed.astimezone()
    except (ValueError, OverflowError):
        fail("--expires takes 90s, 30m, 12h, 30d, 8w, a date such as 2027-01-31, or never")
    if end <= now:
        fail("--expires is in the past")
    return end


def _with_accounts(work: "Callable[[httpx2.AsyncClient], Awaitable[T]]") -> T:
    if read_settings().auth != "accounts":
        fail("there are accounts only with AUTH=accounts")
    return over_api(work)
