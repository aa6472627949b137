"""What the y-sweet SDK asks for, with accounts: whose the tokens are that it gives, what for, and until when."""

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collab.types import Role
from storage.audit_log import Actor
from tests.web.people import PLANS, Stage
from web.minting import Kind

AUTH = "/doc/{document}/auth"
SOCKET = "/d/{document}/ws/{again}"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage.open(tmp_path) as stage:
        yield stage


async def authorize(stage: Stage, who: str, by: str = "token", **asked: Any) -> dict[str, Any]:
    answer = await stage.call(who, "POST", AUTH, by=by, json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status(stage: Stage, token: str, document: str = PLANS) -> int:
    """Of a WebSocket opened with it; 101 when it is let in."""
    sent = await stage.handshake("nobody", document=document, path=SOCKET, query=f"token={token}")
    return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0]["status"])


async def write(stage: Stage, token: str) -> int:
    """Status of an update posted with it; an empty one."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/octet-stream"}
    path = "/d/{document}/update?z=1"
    return (await stage.call("nobody", "POST", path, headers=headers, content=b"\0\0")).status_code


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_a_token_gives_what_was_asked_for_and_at_most_what_whoever_asked_may(stage: Stage, by: str) -> None:
    for who, asked, authorization, may_write in (
        ("editor", {}, "full", 200),
        ("owner", {"authorization": "full"}, "full", 200),
        ("owner", {"authorization": "read-only"}, "read-only", 403),
        ("reader", {}, "read-only", 403),
        ("reader", {"authorization": "read-only"}, "read-only", 403),
    ):
        given = await authorize(stage, who, by, **asked)
        assert given["authorization"] == authorization
        assert given["url"] == "ws://127.0.0.1:8000/d/plans/ws"
        assert await status(stage, given["token"]) == 101
        assert await write(stage, given["token"]) == may_write
        # Not even an owner's gives what owners may.
        headers = {"authorization": f"Bearer {given['token']}"}
        assert (await stage.call("nobody", "DELETE", "/api/documents/{document}", headers=headers)).status_code == 403
    answer = await stage.call("reader", "POST", AUTH, by=by, json={"authorization": "full"})
    assert answer.status_code == 403


async def test_a_token_gives_what_its_maker_may_at_the_moment(stage: Stage) -> None:
    sharing, editor = stage.database.sharing, stage.people["editor"]
    token = (await authorize(stage, "editor"))["token"]
    await sharing.give(PLANS, editor.account.id, Role.READER, Actor())
    assert (await status(stage, token), await write(stage, token)) == (101, 403)
    await sharing.give(PLANS, editor.account.id, Role.EDITOR, Actor())
    assert await write(stage, token) == 200
    await sharing.take(PLANS, editor.account.id, Actor())
    assert await status(stage, token) == 403


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_it_ends_with_the_credential_that_it_was_asked_for_with(stage: Stage, by: str) -> None:
    token = (await authorize(stage, "editor", by))["token"]
    account = stage.people["editor"].account
    if by == "cookie":
        await stage.call("editor", "POST", "/api/sign-out")
    else:
        (only,) = await stage.database.credentials.tokens(account.pk)
        await stage.database.credentials.revoke_token(only.id, account.pk, Actor())
    assert await status(stage, token) == 401


async def test_it_ends_when_it_was_to_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    short = (await authorize(stage, "editor", validForSeconds=60))["token"]
    usual = (await authorize(stage, "editor"))["token"]
    now = time.time()
    for later, expected in ((59, (101, 101)), (61, (401, 101)), (3601, (401, 401))):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert (await status(stage, short), await status(stage, usual)) == expected
    for wrong in (0, -1, 1e9, "soon"):
        answer = await stage.call("editor", "POST", AUTH, by="token", json={"validForSeconds": wrong})
        assert answer.status_code == 400


async def test_only_administrators_say_whose_token_it_is(stage: Stage) -> None:
    given = await authorize(stage, "administrator", "cookie", userId="Editor", authorization="full")
    content = stage.server.state["mint"].signed(Kind.PASS, given["token"])
    assert content is not None
    editor = stage.people["editor"].account
    assert f'"person":["{editor.id}","{editor.name}"]'.encode() in content
    me = await stage.call("nobody", "GET", "/api/me", headers={"authorization": f"Bearer {given['token']}"})
    assert editor.name in me.text
    assert 'administrator":true' not in me.text.replace(" ", "")
    for who, by in (("owner", "cookie"), ("owner", "token"), ("administrator", "token")):
        answer = await stage.call(who, "POST", AUTH, by=by, json={"userId": "editor"})
        assert answer.status_code == 403


async def test_documents_are_made_or_found(stage: Stage) -> None:
    made = await stage.call("stranger", "POST", "/doc/new", by="token", json={})
    again = await stage.call("stranger", "POST", "/doc/new", by="token", json={"docId": made.json()["docId"]})
    assert (made.status_code, again.json()) == (200, made.json())
    assert (await stage.call("reader", "POST", "/doc/new", json={"docId": "plans"})).json() == {"docId": "plans"}
    assert (await stage.call("stranger", "POST", "/doc/new", json={"docId": "plans"})).status_code == 403
    assert (await stage.call("stranger", "POST", "/doc/new", json={"docId": "a b"})).status_code == 400
    assert (await stage.call("nobody", "GET", "/ready")).json() == {"ok": True}
    assert (await stage.call("stranger", "POST", "/check_store", by="token")).json() == {"ok": True}


async def test_no_other_bytes_pass_for_a_token(stage: Stage) -> None:
    token = (await authorize(stage, "editor"))["token"]
    text = token.removeprefix("csp_")
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    mint = stage.server.state["mint"]
    owner = content[:-24].replace(b'"role":3', b'"role":4')
    assert owner != content[:-24]
    for forged in (
        b"",
        content[:-1],
        owner + content[-24:],
        owner + mint.sign(Kind.TICKET, owner)[-32:].encode(),
        content[1:],
        b"[]" + bytes(24),
    ):
        encoded = base64.urlsafe_b64encode(forged).decode().rstrip("=")
        assert await status(stage, f"csp_{encoded}") == 401
    assert await status(stage, f"csp_{text}é".encode().decode("latin-1")) in (400, 401)
    assert mint.signed(Kind.PASS, mint.sign(Kind.PASS, content[:-24])) == content[:-24]
