"""Who may comment: the companion of a document, by the roles in the document itself."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Array, Doc, Map

from collab.companions import comments_of
from tests.tokens import SECRET, token
from tests.web.conftest import make_settings, running
from tests.web.edits import text_of, text_update
from tests.web.people import PLANS, Stage

COMMENTS = comments_of(PLANS)
UPDATE: Any = {"content": text_update("why?"), "headers": {"content-type": "application/octet-stream"}}
"""Somebody's comment, as any client of the API writes it."""


async def comment(stage: Stage, who: str, document: str = COMMENTS) -> httpx.Response:
    headers = dict(UPDATE["headers"])
    return await stage.call(
        who, "POST", "/api/documents/{document}/updates", document=document, content=UPDATE["content"], headers=headers
    )


async def test_5_commenters_write_comments_and_nothing_else(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        for who, status in (("reader", 403), ("guest", 403), ("stranger", 403), ("nobody", 401), ("commenter", 200)):
            assert (await comment(stage, who)).status_code == status, who
            if who != "commenter":
                # Reading does not bring a companion into being.
                names = [info.id for info in await stage.database.documents.list(limit=9)]
                assert COMMENTS not in names
        assert (await comment(stage, "commenter", PLANS)).status_code == 403
        assert (await stage.call("reader", "GET", "/api/documents/{document}")).json()["commented"] is True
        for who in ("reader", "guest", "editor"):
            read = await stage.call(who, "GET", "/api/documents/{document}/content?format=yjs", document=COMMENTS)
            assert text_of(read.content) == "why?", who
        # It is nobody's, and no document of its own.
        for who in ("commenter", "owner", "administrator"):
            for method, path in (("DELETE", ""), ("GET", "/sharing"), ("POST", "/release")):
                answer = await stage.call(who, method, "/api/documents/{document}" + path, document=COMMENTS)
                assert answer.status_code == 403, (who, method, path)
            made = await stage.call(who, "POST", "/api/documents", json={"id": "x~comments"})
            assert made.status_code == 403
            listed = await stage.call(who, "GET", "/api/documents")
            assert "~comments" not in listed.text


def begun(*, by: dict[str, Any]) -> bytes:
    """A thread, as the web app writes it."""
    doc: Doc[Any] = Doc()
    value = {"by": by, "at": 1, "text": "why?"}
    doc.get("threads", type=Map)["one"] = Map({"comments": Array([value]), "resolved": False})
    return doc.get_update()


async def send(stage: Stage, who: str, update: bytes) -> httpx.Response:
    path, headers = "/api/documents/{document}/updates", UPDATE["headers"]
    return await stage.call(who, "POST", path, document=COMMENTS, content=update, headers=headers)


async def test_8_a_comment_has_the_name_that_the_server_gives_its_author(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        ids = {who: person.account.id for who, person in stage.people.items()}
        people = "/api/documents/{document}/comments/people"
        assert (await stage.call("reader", "GET", people)).json() == {"people": []}
        forged = await send(stage, "commenter", begun(by={"id": ids["owner"]}))
        assert (forged.status_code, forged.json()["code"]) == (403, "forged-author")
        assert (await send(stage, "commenter", begun(by={"id": ids["commenter"]}))).status_code == 200
        assert (await send(stage, "editor", begun(by={"id": ids["editor"]}))).status_code == 200
        known = [{"id": ids[who], "name": who, "guest": False} for who in ("commenter", "editor")]
        assert (await stage.call("guest", "GET", people)).json() == {"people": known}
        # What an earlier state had comes back with its authors.
        back = "/api/documents/{document}/history/restore"
        assert (await stage.call("owner", "POST", back, document=COMMENTS, json={"seq": 1})).status_code == 200
        await stage.call(
            "administrator", "POST", f"/api/admin/people/{ids['commenter']}/erase", json={"dry_run": False}
        )
        left = (await stage.call("reader", "GET", people)).json()["people"]
        assert [person["name"] for person in left if person["name"] != "owner"] == ["editor"]


async def test_8_who_comes_with_the_token_of_another_product_is_called_as_that_says(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path, auth="jwt", jwt_secret=SECRET, jwt_audience="coscribe")) as server:
        for name in ("Ann", "Ann Lee"):
            headers = {"authorization": "Bearer " + token("4711", {"plans": "commenter"}, name=name)}
            await server.http.get("/api/me", headers=headers)
            sent = await server.http.post(
                f"/api/documents/{COMMENTS}/updates",
                content=begun(by={"id": "4711"}),
                headers=headers | UPDATE["headers"],
            )
            assert sent.status_code == 200, sent.text
            found = await server.http.get("/api/documents/plans/comments/people", headers=headers)
            assert found.json() == {"people": [{"id": "4711", "name": name, "guest": False}]}


async def test_comments_go_with_their_document(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        await comment(stage, "commenter")
        await stage.call("owner", "DELETE", "/api/documents/{document}")
        purge = "/api/admin/documents/{document}/purge"
        await stage.call("administrator", "POST", purge, json={"dry_run": False, "wipe": False})
        names = [info.id for info in await stage.database.documents.list(limit=9)]
        assert names == [stage.secret_document]


@pytest.mark.parametrize("name", ["~comments", "a/~comments"])
async def test_a_name_that_is_no_companions_is_a_document_like_any_other(tmp_path: Path, name: str) -> None:
    async with running(make_settings(tmp_path)) as server:
        made = await server.http.post("/api/documents", json={"id": name})
        assert made.status_code == 201
