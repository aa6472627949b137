"""Who may do what: a written table, and a walk over every route and message with every role, by cookie and by token.

docs/security.md shows the same table. A route that is missing here fails the walk; so does one that answers somebody it
should not, or refuses somebody it should answer.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.people import Stage
from web.routing import Public, Resource, SocketRoute

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "security.md"

WHO = ["nobody", "guest", "stranger", "reader", "commenter", "editor", "owner", "administrator"]
"""A guest came by a reader's link; a stranger has an account and no role in the document."""

EVERYBODY = set(WHO)
KNOWN = EVERYBODY - {"nobody"}
PEOPLE = KNOWN - {"guest"}
READERS = KNOWN - {"stranger"}
EDITORS = {"editor", "owner", "administrator"}
OWNERS = {"owner", "administrator"}
ADMINISTRATOR = {"administrator"}

TABLE: dict[tuple[str, str], set[str]] = {
    ("WS", "/ws"): EVERYBODY,
    ("WS", "/ws/{document}"): READERS,
    ("WS", "/d/{document}/ws/{again}"): READERS,
    ("WS", "/parties/{party}/{room}"): READERS,
    ("WS", "/api/collaboration/room/{document}"): READERS,
    ("GET", "/api/documents"): KNOWN,
    ("POST", "/api/documents"): PEOPLE,
    ("POST", "/api/import"): PEOPLE,
    ("GET", "/api/documents/{document}"): READERS,
    ("PATCH", "/api/documents/{document}"): EDITORS,
    ("DELETE", "/api/documents/{document}"): OWNERS,
    ("PUT", "/api/documents/{document}/star"): READERS,
    ("DELETE", "/api/documents/{document}/star"): READERS,
    ("POST", "/api/documents/{document}/restore"): OWNERS,
    ("POST", "/api/documents/{document}/release"): OWNERS,
    ("GET", "/api/documents/{document}/content"): READERS,
    ("GET", "/api/documents/{document}/export"): EDITORS,
    ("GET", "/api/documents/{document}/history/export"): EDITORS,
    ("POST", "/api/documents/{document}/files"): EDITORS,
    ("GET", "/api/documents/{document}/files/{file}"): READERS,
    ("GET", "/api/documents/{document}/comments/people"): READERS,
    ("GET", "/api/documents/{document}/updates"): READERS,
    ("POST", "/api/documents/{document}/updates"): EDITORS,
    ("POST", "/doc/new"): PEOPLE,
    ("POST", "/doc/{document}/auth"): READERS,
    ("GET", "/d/{document}/as-update"): READERS,
    ("POST", "/d/{document}/update"): EDITORS,
    ("POST", "/check_store"): KNOWN,
    ("PUT", "/api/collaboration/session/{path}"): KNOWN,
    ("GET", "/api/documents/{document}/history"): EDITORS,
    ("GET", "/api/documents/{document}/history/blame"): EDITORS,
    ("GET", "/api/documents/{document}/history/diff"): EDITORS,
    ("POST", "/api/documents/{document}/history/restore"): EDITORS,
    ("GET", "/api/documents/{document}/history/versions"): READERS,
    ("POST", "/api/documents/{document}/history/versions"): EDITORS,
    ("PATCH", "/api/documents/{document}/history/versions/{version}"): EDITORS,
    ("DELETE", "/api/documents/{document}/history/versions/{version}"): EDITORS,
    ("GET", "/api/documents/{document}/sharing"): OWNERS,
    ("PUT", "/api/documents/{document}/sharing/general"): OWNERS,
    ("PUT", "/api/documents/{document}/sharing/people/{person}"): OWNERS,
    ("DELETE", "/api/documents/{document}/sharing/people/{person}"): OWNERS,
    ("PUT", "/api/documents/{document}/sharing/owner"): OWNERS,
    ("DELETE", "/api/documents/{document}/sharing/me"): READERS,
    ("POST", "/api/documents/{document}/sharing/links"): OWNERS,
    ("DELETE", "/api/documents/{document}/sharing/links/{link}"): OWNERS,
    ("POST", "/api/links/open"): EVERYBODY,
    ("GET", "/api/me"): EVERYBODY,
    ("PATCH", "/api/me"): PEOPLE,
    ("POST", "/api/sign-in"): EVERYBODY,
    ("POST", "/api/sign-in/token"): KNOWN,
    ("POST", "/api/sign-out"): EVERYBODY,
    ("GET", "/api/oidc/start"): EVERYBODY,
    ("GET", "/api/oidc/callback"): EVERYBODY,
    ("POST", "/api/me/password"): PEOPLE,
    ("GET", "/api/me/sign-ins"): PEOPLE,
    ("DELETE", "/api/me/sign-ins"): PEOPLE,
    ("DELETE", "/api/me/sign-ins/{sign_in}"): PEOPLE,
    ("GET", "/api/me/tokens"): PEOPLE,
    ("POST", "/api/me/tokens"): PEOPLE,
    ("DELETE", "/api/me/tokens/{token}"): PEOPLE,
    ("POST", "/api/tickets"): READERS,
    ("POST", "/api/invitations/open"): EVERYBODY,
    ("POST", "/api/invitations/accept"): EVERYBODY,
    ("GET", "/api/people"): PEOPLE,
    ("GET", "/api/admin/people"): ADMINISTRATOR,
    ("PATCH", "/api/admin/people/{person}"): ADMINISTRATOR,
    ("DELETE", "/api/admin/people/{person}"): ADMINISTRATOR,
    ("POST", "/api/admin/people/{person}/sign-out"): ADMINISTRATOR,
    ("POST", "/api/admin/people/{person}/password-link"): ADMINISTRATOR,
    ("GET", "/api/admin/invitations"): ADMINISTRATOR,
    ("POST", "/api/admin/invitations"): ADMINISTRATOR,
    ("DELETE", "/api/admin/invitations/{invitation}"): ADMINISTRATOR,
    ("GET", "/api/admin/tokens"): ADMINISTRATOR,
    ("POST", "/api/admin/tokens"): ADMINISTRATOR,
    ("DELETE", "/api/admin/tokens/{token}"): ADMINISTRATOR,
    ("POST", "/api/admin/documents/{document}/prune"): ADMINISTRATOR,
    ("POST", "/api/admin/documents/{document}/purge"): ADMINISTRATOR,
    ("POST", "/api/admin/people/{person}/erase"): ADMINISTRATOR,
    ("POST", "/api/admin/wipe"): ADMINISTRATOR,
    ("POST", "/api/admin/exports"): ADMINISTRATOR,
    ("POST", "/api/admin/imports"): ADMINISTRATOR,
    ("GET", "/api/admin/jobs"): ADMINISTRATOR,
    ("GET", "/api/admin/jobs/{job}"): ADMINISTRATOR,
    ("DELETE", "/api/admin/jobs/{job}"): ADMINISTRATOR,
    ("GET", "/api/admin/jobs/{job}/file"): ADMINISTRATOR,
    ("GET", "/api/admin/audit"): ADMINISTRATOR,
    ("POST", "/api/admin/audit"): ADMINISTRATOR,
    ("GET", "/api/admin/audit/export"): ADMINISTRATOR,
}
COOKIE_ONLY = {
    (method, path)
    for method, path in TABLE
    if path.startswith(("/api/me/", "/api/admin")) or (method, path) == ("PATCH", "/api/me")
}
"""What no token of a person gives rights over: accounts, and administration."""

MESSAGES: dict[str, set[str]] = {
    "sync step 1": READERS,
    "sync step 2 with edits": EDITORS,
    "update": EDITORS,
    "awareness of oneself": READERS,
    "query awareness": READERS,
    "acknowledgement request": EDITORS,
    "role request": READERS,
    "Hocuspocus: token for a document": READERS,
    "Hocuspocus: sync step 1": READERS,
    "Hocuspocus: sync step 2 with edits": EDITORS,
    "Hocuspocus: update": EDITORS,
    "Hocuspocus: awareness of oneself": READERS,
    "Hocuspocus: query awareness": READERS,
    "Hocuspocus: stateless": EDITORS,
    "Hocuspocus: close a document": READERS,
    "y-sweet: sync step 1": READERS,
    "y-sweet: sync step 2 with edits": EDITORS,
    "y-sweet: update": EDITORS,
    "y-sweet: awareness of oneself": READERS,
    "y-sweet: version": READERS,
    "y-partyserver: sync step 1": READERS,
    "y-partyserver: sync step 2 with edits": EDITORS,
    "y-partyserver: update": EDITORS,
    "y-partyserver: awareness of oneself": READERS,
    "y-partyserver: custom message": EDITORS,
}
"""What takes effect, on an open socket of somebody with that role. Hocuspocus sockets (`/ws`) are open to everybody:
there the token, or the cookie of the handshake, is judged for each document."""


def documented_table() -> str:
    lines = ["| | " + " | ".join(WHO) + " |", "|---|" + "---|" * len(WHO)]
    for (method, path), allowed in TABLE.items():
        note = " (signed in)" if (method, path) in COOKIE_ONLY else ""
        lines.append(
            f"| `{method} {path}`{note} | " + " | ".join("yes" if who in allowed else "–" for who in WHO) + " |"
        )
    for message, allowed in MESSAGES.items():
        lines.append(f"| message: {message} | {verdicts(allowed)} |")
    return "\n".join(lines)


def verdicts(allowed: set[str]) -> str:
    return " | ".join("yes" if who in allowed else "–" for who in WHO)


def test_the_documentation_shows_this_table() -> None:
    shown = re.search(r"<!-- the table of .*? -->\n(.*?)\n<!-- end", DOCUMENTATION.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == documented_table()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage.open(tmp_path) as stage:
        yield stage


def test_every_route_is_in_the_table(stage_routes: list[Any]) -> None:
    found = set()
    for route in stage_routes:
        if isinstance(route, SocketRoute):
            found.add(("WS", plain(route.path)))
        elif isinstance(route, Resource):
            found |= {(m, plain(route.path)) for m, o in route.operations.items() if not isinstance(o, Public)}
        else:
            pytest.fail(f"{route} is built without the door")
    assert found == set(TABLE)


@pytest.fixture
def stage_routes() -> list[Any]:
    from web.routes import routes
    from web.static_files import StaticFiles

    return routes(StaticFiles(Path("/nonexistent")))


def plain(path: str) -> str:
    return path.replace(":path}", "}")


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_2_every_route_refuses_and_answers_by_the_table(stage: Stage, by: str) -> None:
    wrong = []
    for (method, path), allowed in TABLE.items():
        for who in WHO:
            if by == "token" and who in ("nobody", "guest"):
                continue
            expected = who in allowed and not (by == "token" and (method, path) in COOKIE_ONLY)
            status = await stage.status(who, method, path, by=by)
            refused = 403 if who != "nobody" else 401
            if (status == refused) == expected or (status in (401, 403) and status != refused and not is_secret(path)):
                wrong.append(
                    f"{method} {path} as {who} by {by}: {status}, expected {'an answer' if expected else refused}"
                )
    assert wrong == []


def is_secret(path: str) -> bool:
    """Where 401 is about a password, not about who asks."""
    return path in ("/api/sign-in", "/api/me/password")


async def test_an_administrators_own_token_is_no_administrator(stage: Stage) -> None:
    """A token narrows: what it may do in documents says nothing of people."""
    assert await stage.status("administrator", "GET", "/api/admin/people", by="token") == 403


async def test_6_absent_and_forbidden_documents_get_the_same_answer(stage: Stage) -> None:
    for (method, path), _ in TABLE.items():
        if "{document}" not in path or method == "WS":
            continue
        for who in ("nobody", "stranger", "guest"):
            answers = []
            for document in (stage.secret_document, "no-such-document"):
                response = await stage.call(who, method, path, document=document)
                answers.append((response.status_code, response.json(), dict(response.headers)))
            assert answers[0] == answers[1], f"{method} {path} as {who}"
            assert answers[0][0] in (401, 403)


@pytest.mark.parametrize("document", ["plans", "no-such-document"])
async def test_2_every_socket_refuses_at_the_handshake(stage: Stage, document: str) -> None:
    sent = await stage.handshake("stranger", document=document)
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 403
    assert json.loads(sent[1]["body"])["code"] == "permission-denied"
