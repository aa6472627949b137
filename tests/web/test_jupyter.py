"""What clients of jupyter-collaboration ask for, at the edges: which document a file's is, and who may open it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from collab.types import Role, parse_document_id
from storage.audit_log import Actor
from storage.foreign.names import document_id
from tests.web.people import Stage

SESSION = "/api/collaboration/session/{document}"
ROOM = "/api/collaboration/room/{document}"
PATH = "team/plans.ipynb"
NOTEBOOK = parse_document_id(f"json:notebook:{PATH}")
NOTEBOOKS: dict[str, Any] = {"format": "json", "type": "notebook"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A notebook of the owner's, with a reader and an editor."""
    async with Stage.open(tmp_path, body_bytes_max=1024) as stage:
        sharing = stage.database.sharing
        await sharing.create_document(NOTEBOOK, "Plans", stage.people["owner"].account, Actor())
        for role in (Role.READER, Role.EDITOR):
            await sharing.give(NOTEBOOK, stage.people[role.name.lower()].account.id, role, Actor())
        yield stage


async def ask(stage: Stage, who: str, path: str = PATH, asked: Any = NOTEBOOKS, **options: Any) -> Any:
    return await stage.call(who, "PUT", SESSION, document=path, json=asked, **options)


async def name_of(stage: Stage, path: str, kind: str = "notebook") -> str:
    """The document that a file is told to be."""
    answer = await ask(stage, "owner", path, {"format": "json", "type": kind}, by="token")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return f"{found['format']}:{found['type']}:{found['fileId']}"


async def status(stage: Stage, who: str, room: str = NOTEBOOK, **options: Any) -> int:
    """Of a WebSocket; 101 when it is let in."""
    sent = await stage.handshake(who, document=room, path=ROOM, **options)
    return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0]["status"])


# -- the session of a file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_whoever_may_open_the_document_is_told_its_name(stage: Stage, by: str) -> None:
    for who in ("reader", "editor", "owner"):
        answer = await ask(stage, who, by=by)
        assert answer.status_code == 200, who
        assert answer.json() == NOTEBOOKS | {"fileId": PATH, "sessionId": "coscribe"}


async def test_nobody_else_learns_whether_there_is_one(stage: Stage) -> None:
    for path in (PATH, "team/none.ipynb"):
        assert (await ask(stage, "nobody", path)).status_code == 401
        assert (await ask(stage, "stranger", path)).status_code == 403
        assert (await ask(stage, "guest", path)).status_code == 403
    present, absent = [(await ask(stage, "stranger", path)).json() for path in (PATH, "team/none.ipynb")]
    assert present == absent


async def test_a_cookie_counts_together_with_its_own_origin_alone(stage: Stage) -> None:
    for origin in ("https://evil.example", "null"):
        assert (await ask(stage, "owner", headers={"origin": origin})).status_code == 403
    token = {"authorization": f"token {stage.people['owner'].token}"}
    assert (await ask(stage, "nobody", headers=token)).status_code == 200  # As Jupyter's clients write it.
    basic = {"authorization": f"Basic {stage.people['owner'].token}"}
    assert (await ask(stage, "nobody", headers=basic)).status_code == 401


async def test_a_token_in_the_address_is_not_looked_at(stage: Stage) -> None:
    answer = await ask(stage, "nobody", f"{PATH}?token={stage.people['owner'].token}")
    assert answer.status_code == 401


async def test_asking_brings_no_document_into_being(http: httpx.AsyncClient) -> None:
    answer = await http.put(f"/api/collaboration/session/{PATH}", json=NOTEBOOKS)
    assert answer.json()["fileId"] == PATH
    assert (await http.get("/api/documents")).json()["documents"] == []
    assert (await http.get(f"/api/documents/{quote(NOTEBOOK, safe='')}")).status_code == 404


PATHS = {
    PATH: PATH,
    f"/{PATH}": PATH,
    f"{PATH}/": PATH,
    "team%2Fplans.ipynb": PATH,
    "drive:team/plans.ipynb": "drive:team/plans.ipynb",
    "Ergebnisse%20(1).ipynb": "Ergebnisse~20~281~29.ipynb",
    "%C3%A9.ipynb": "~C3~A9.ipynb",
    "a%00b": "a~00b",
    "a//b": "a/~/b",
    "a/..%2F..%2Fsecret": "a/~2E~2E/~2E~2E/secret",
    "%252e%252e": "~252e~252e",
    "": "",
}


async def test_a_path_of_any_kind_is_one_name_below_its_format_and_type(stage: Stage) -> None:
    for path, file in PATHS.items():
        document = parse_document_id(f"json:notebook:{file}")
        if file != PATH:
            await stage.database.sharing.create_document(document, "", stage.people["owner"].account, Actor())
        assert await name_of(stage, path) == document
        assert (await ask(stage, "stranger", path, by="token")).status_code == 403


async def test_long_paths_that_begin_alike_are_two_documents(stage: Stage) -> None:
    sharing, owner = stage.database.sharing, stage.people["owner"].account
    first, second = ("x" * 400 + end for end in ("a", "b"))
    await sharing.create_document(document_id(f"json:notebook:{first}"), "", owner, Actor())
    assert (await ask(stage, "owner", second)).status_code == 403
    await sharing.create_document(document_id(f"json:notebook:{second}"), "", owner, Actor())
    names = {await name_of(stage, path) for path in (first, second)}
    assert len(names) == 2
    assert {len(name) for name in names} == {255}


NO_KINDS: list[Any] = [
    {},
    {"format": "json"},
    {"type": "notebook"},
    {"format": "", "type": "notebook"},
    {"format": "json:notebook:team", "type": "notebook"},
    {"format": "json", "type": "note/book"},
    {"format": "json", "type": "x" * 33},
    {"format": "json", "type": "notebook\n"},
    {"format": "json", "type": None},
    {"format": "json", "type": ["notebook"]},
    [],
    "notebook",
    None,
]


async def test_what_names_no_kind_of_file_is_refused(stage: Stage) -> None:
    for asked in NO_KINDS:
        answer = await ask(stage, "owner", asked=asked)
        assert answer.status_code == 400, asked
        assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_no_json_is_refused(stage: Stage) -> None:
    for content in (b"", b"{", b"\xff\xfe", b'{"format": "json", "type": "notebook"', b"[" * 900):
        answer = await stage.call("owner", "PUT", SESSION, document=PATH, content=content)
        assert answer.status_code == 400, content


async def test_json_is_taken_as_what_clients_call_it(stage: Stage) -> None:
    content = b'{"format": "json", "type": "notebook", "sessionId": "of before"}'
    for kind in ("text/plain;charset=UTF-8", "application/json"):
        headers = {"content-type": kind}
        answer = await stage.call("owner", "PUT", SESSION, document=PATH, content=content, headers=headers)
        assert answer.json()["sessionId"] == "coscribe"


async def test_a_body_has_its_limit(stage: Stage) -> None:
    asked = NOTEBOOKS | {"more": "x" * 1024}
    assert (await ask(stage, "owner", asked=asked)).status_code == 413


async def test_nothing_but_put_is_answered(stage: Stage) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH"):
        answer = await stage.call("owner", method, SESSION, document=PATH)
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == "PUT"


# -- the room ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_the_room_lets_in_whoever_has_a_role_in_its_document(stage: Stage, by: str) -> None:
    for who in ("reader", "editor", "owner"):
        assert await status(stage, who, by=by) == 101
    assert await status(stage, "stranger", by=by) == 403
    assert await status(stage, "nobody") == 401
    assert await status(stage, "guest") == 403


async def test_the_room_takes_tokens_as_clients_bring_them(stage: Stage) -> None:
    token = stage.people["reader"].token
    assert await status(stage, "nobody", query=f"sessionId=coscribe&token={token}") == 101
    assert await status(stage, "nobody", authorization=f"token {token}") == 101
    assert await status(stage, "nobody", authorization=f"Bearer {token}") == 101
    assert await status(stage, "nobody", query=f"token={token}x") == 401
    assert await status(stage, "nobody", query=f"token={token}&token={token}") == 400
    assert await status(stage, "nobody", query=f"token={token}", authorization=f"token {token}") == 400


async def test_a_cookie_opens_no_room_from_elsewhere(stage: Stage) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8001"):
        assert await status(stage, "owner", origin=origin) == 403


async def test_any_session_will_do(stage: Stage) -> None:
    for session in ("", "sessionId=coscribe", "sessionId=of-another-server", "sessionId=" + "x" * 2000):
        assert await status(stage, "reader", query=session) == 101, session


async def test_a_room_of_no_name_is_refused_before_it_is_opened(stage: Stage) -> None:
    for room in ("..", "json:notebook:a/../secret", "json:notebook:a//b", "json:notebook:a\0", "a b", "", "x" * 256):
        assert await status(stage, "owner", room) == 400, room


async def test_a_room_without_a_kind_is_the_document_of_its_name(stage: Stage) -> None:
    assert await status(stage, "reader", "plans") == 101
    assert await status(stage, "reader", "secret") == 403
    assert await status(stage, "owner", "json:notebook:plans") == 403


async def test_a_role_that_was_taken_opens_nothing_any_more(stage: Stage) -> None:
    sharing, editor = stage.database.sharing, stage.people["editor"]
    assert (await ask(stage, "editor")).status_code == 200
    await sharing.take(NOTEBOOK, editor.account.id, Actor())
    both = await asyncio.gather(ask(stage, "editor"), status(stage, "editor"))
    assert (both[0].status_code, both[1]) == (403, 403)
