"""REST: a document's history."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText
from starlette.requests import HTTPConnection

from collab.history import index
from collab.types import DocumentId, Role
from storage.audit_log import Filter
from tests.support import eventually
from tests.web.conftest import Running, make_settings, running
from tests.web.edits import text_of
from tests.web.test_api_documents import create, problem, url
from web.visitor import Everybody, Standing, Visitor

# One server for all of them: starting the history process takes longer than most questions to it.
pytestmark = [pytest.mark.xdist_group("history-api"), pytest.mark.asyncio(loop_scope="module")]


class People(Everybody):
    """An authority for tests: the header X-Who says who is asking; what everybody may do stands in `roles`."""

    def __init__(self) -> None:
        self.roles: dict[str, Role] = {"ann": Role.OWNER, "bob": Role.EDITOR, "rea": Role.READER}

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        who = connection.headers.get("x-who", "ann")
        return Visitor(who, who.title(), known=True)

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        role = self.roles.get(visitor.user_id or "")
        return Standing(role, may_create=role is not None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(make_settings(tmp_path_factory.mktemp("history"))) as server:
        server.state["door"]._authority = People()
        yield server


@pytest.fixture
def http(server: Running) -> httpx.AsyncClient:
    return server.http


@pytest.fixture(autouse=True)
def plans(document: str) -> None:
    """The document that a test is about."""
    global PLANS
    PLANS = document


PLANS = ""


class Writer:
    """Edits a text through REST, as one person."""

    def __init__(self, http: httpx.AsyncClient, who: str) -> None:
        self.doc: Doc[Any] = Doc()
        self.text: Text = self.doc.get("text", type=Text)
        self._http = http
        self._headers = {"X-Who": who}

    async def pull(self) -> None:
        response = await self._http.get(url(PLANS, "/content?format=yjs"))
        if response.status_code == 200:
            self.doc.apply_update(response.content)

    async def push(self, edit: Any) -> int:
        await self.pull()
        before = self.doc.get_state()
        with self.doc.transaction():
            edit()
        headers = self._headers | {"Content-Type": "application/octet-stream"}
        update = self.doc.get_update(before)
        response = await self._http.post(url(PLANS, "/updates"), content=update, headers=headers)
        assert response.status_code == 200, response.text
        seq: int = response.json()["seq"]
        return seq


async def written(http: httpx.AsyncClient) -> tuple[Writer, Writer]:
    ann, bob = Writer(http, "ann"), Writer(http, "bob")
    await ann.push(lambda: ann.text.insert(0, "Hello world"))
    await bob.push(lambda: bob.text.__delitem__(slice(0, 5)))
    await bob.push(lambda: bob.text.insert(0, "Goodbye <b>"))
    return ann, bob


async def get(http: httpx.AsyncClient, resource: str, who: str = "bob", **params: Any) -> Any:
    response = await http.get(url(PLANS, resource), params=params or None, headers={"X-Who": who})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def restore(http: httpx.AsyncClient, who: str, resource: str = "/restore", **body: Any) -> httpx.Response:
    return await http.post(url(PLANS, resource), json=body, headers={"X-Who": who})


async def test_the_timeline_tells_sessions_versions_and_restores(http: httpx.AsyncClient) -> None:
    await written(http)
    named = await http.post(url(PLANS, "/history/versions"), json={"name": " Draft "}, headers={"X-Who": "bob"})
    assert named.status_code == 201
    assert (named.json()["name"], named.json()["seq"], named.json()["user"]) == ("Draft", 3, "bob")
    await restore(http, "ann", seq=1)
    story = await get(http, "/history")
    assert story["head"] == 4
    assert [(entry["kind"], entry["user"], entry["user_name"]) for entry in story["entries"]] == [
        ("restore", "ann", "ann"),
        ("session", "ann", "ann"),
        ("version", "bob", "bob"),
        ("session", "bob", "bob"),
    ]
    assert (story["entries"][0]["seq"], story["entries"][0]["row"]) == (1, 4)
    session = story["entries"][3]
    assert (session["from_seq"], session["to_seq"], session["added"], session["removed"]) == (2, 3, 11, 5)
    assert session["started_at"] <= session["at"]
    assert story["next"] is None


async def test_the_timeline_is_read_in_pages_and_by_person(http: httpx.AsyncClient) -> None:
    await written(http)
    first = await get(http, "/history", limit=1)
    assert first["entries"][0]["user"] == "bob"
    second = await get(http, "/history", limit=1, after=first["next"])
    assert (second["entries"][0]["user"], second["next"]) == ("ann", None)
    assert [entry["user"] for entry in (await get(http, "/history", user="ann"))["entries"]] == ["ann"]
    assert (await get(http, "/history", anonymous="true"))["entries"] == []
    assert (await get(http, "/history", until="2001-01-01T00:00:00Z"))["entries"] == []
    assert len((await get(http, "/history", since="2001-01-01T00:00:00Z"))["entries"]) == 2


async def test_blame_names_the_author_of_everything_at_any_seq(http: httpx.AsyncClient) -> None:
    await written(http)
    now = await get(http, "/history/blame")
    assert now["seq"] == 3
    assert [author["name"] for author in now["authors"]] == ["bob", "ann"]
    assert now["roots"][0]["content"] == [{"text": "Goodbye <b>", "author": 0}, {"text": " world", "author": 1}]
    then = await get(http, "/history/blame", at=1)
    assert then["roots"][0]["content"] == [{"text": "Hello world", "author": 0}]


async def test_a_diff_is_json_or_a_page_without_scripts(http: httpx.AsyncClient) -> None:
    await written(http)
    diff = await get(http, "/history/diff?from=1&to=3")
    assert [(node["text"], node.get("change")) for node in diff["roots"][0]["content"]] == [
        ("Hello", "removed"),
        ("Goodbye <b>", "added"),
        (" world", None),
    ]
    page = await http.get(url(PLANS, "/history/diff?from=1&to=3&format=html"))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert '<del title="removed by bob">Hello</del>' in page.text
    assert "Goodbye &lt;b&gt;" in page.text


async def test_a_past_state_comes_back_as_an_edit_that_everybody_gets(http: httpx.AsyncClient) -> None:
    _, bob = await written(http)
    answer = await restore(http, "bob", seq=1)
    assert answer.json() == {"seq": 4, "changed": True}
    await bob.pull()
    assert str(bob.text) == "Hello world"
    assert (await get(http, "/history/blame"))["authors"][0]["user"] == "ann"
    assert (await restore(http, "bob", "/history/restore", seq=1)).json() == {"seq": 4, "changed": False}
    assert (await http.get(url(PLANS, "/content"))).text == "Hello world"
    assert (await http.get(url(PLANS, "/content?at=3"))).text == "Goodbye <b> world"


async def test_one_block_comes_back(http: httpx.AsyncClient) -> None:
    ann = Writer(http, "ann")
    blocks = ann.doc.get("xml", type=XmlFragment).children

    def paragraph(words: str) -> XmlElement:
        return XmlElement("paragraph", {}, [XmlText(words)])

    def two_paragraphs_and_a_list() -> None:
        items = [XmlElement("listItem", {}, [paragraph(words)]) for words in ("three", "four")]
        for block in (paragraph("one"), paragraph("two"), XmlElement("bulletList", {}, items)):
            blocks.append(block)

    await ann.push(two_paragraphs_and_a_list)
    await ann.push(lambda: [blocks[at].children[0].insert(0, "not ") for at in (0, 1)])
    (root,) = (await get(http, "/history/blame", at=1))["roots"]
    assert (await restore(http, "ann", seq=1, block=root["content"][1]["id"])).json()["changed"]
    assert (await http.get(url(PLANS, "/content"))).text == "not one\ntwo\nthree\nfour"
    await ann.push(lambda: blocks[2].children.__delitem__(1))
    assert (await http.get(url(PLANS, "/content"))).text == "not one\ntwo\nthree"
    item = root["content"][2]["content"][1]
    assert (await restore(http, "ann", seq=1, block=item["id"])).json()["changed"]
    assert (await http.get(url(PLANS, "/content"))).text == "not one\ntwo\nthree\nfour"
    for nonsense in ("1:1", "here", "1:2:3", "-1:0"):
        problem(await restore(http, "ann", seq=1, block=nonsense), 404)
    problem(await restore(http, "ann", seq=1, root="nothing"), 404)
    problem(await restore(http, "ann", seq=1, root="xml", block="1:1"), 400)
    problem(await restore(http, "ann", block="1:1"), 400)
    problem(await restore(http, "ann", seq=99), 404)


async def test_without_a_seq_restore_takes_a_document_out_of_the_bin(http: httpx.AsyncClient) -> None:
    await written(http)
    assert (await http.delete(url(PLANS))).status_code == 204
    problem(await restore(http, "bob", seq=1), 404)
    problem(await restore(http, "bob"), 403)
    assert (await restore(http, "ann")).json()["deleted_at"] is None
    assert (await restore(http, "bob", seq=1)).json()["changed"]


async def test_a_restore_is_in_the_audit_log(http: httpx.AsyncClient, server: Running) -> None:
    await written(http)
    await restore(http, "bob", seq=1)
    await server.state["recorder"].flush()
    newest, *_ = await server.state["database"].audit.page(Filter(document=PLANS), before=None, limit=10)
    assert (newest.action, newest.user_id) == ("state-restored", "bob")
    assert (newest.details["seq"], newest.details["row"]) == (1, 4)


async def test_exports_and_imports_are_on_the_timeline(http: httpx.AsyncClient) -> None:
    imported = await http.post("/api/import", params={"format": "markdown", "id": PLANS}, content=b"# Plan")
    assert imported.status_code == 201
    exported = await http.get(url(PLANS, "/content?format=docx"), headers={"X-Who": "rea"})
    assert exported.status_code == 200
    story = [(entry["kind"], entry["user"], entry.get("detail")) for entry in (await get(http, "/history"))["entries"]]
    assert story == [("export", "rea", "docx"), ("import", "ann", "markdown"), ("session", "ann", None)]


async def test_readers_see_the_present_and_named_versions_and_change_nothing(http: httpx.AsyncClient) -> None:
    await written(http)
    version = (await http.post(url(PLANS, "/history/versions"), json={"name": "Draft", "seq": 1})).json()
    assert (await get(http, "/history/versions", "rea"))["versions"] == [version]
    one = url(PLANS, f"/history/versions/{version['id']}")
    rea = {"X-Who": "rea"}
    for refused in (
        await restore(http, "rea", seq=1),
        await restore(http, "rea", "/history/restore", seq=1),
        await http.post(url(PLANS, "/history/versions"), json={"name": "Mine"}, headers=rea),
        await http.patch(one, json={"name": "Mine"}, headers=rea),
        await http.delete(one, headers=rea),
        *[
            await http.get(url(PLANS, resource), headers=rea)
            for resource in (
                "/history",
                "/history/blame",
                "/history/blame?at=1",
                "/history/diff?from=0&to=1",
                "/content?at=2",
                "/content?at=0",
                "/export",
                "/export?format=text&seq=2",
                "/history/export",
            )
        ],
    ):
        problem(refused, 403)
    for resource, text in (
        ("/content", "Goodbye <b> world"),
        ("/content?at=3", "Goodbye <b> world"),
        ("/content?at=1", "Hello world"),
        ("/export?format=text", "Goodbye <b> world"),
        ("/export?format=text&seq=1", "Hello world"),
    ):
        assert (await http.get(url(PLANS, resource), headers=rea)).text == text
    assert (await get(http, "/history"))["head"] == 3
    assert (await get(http, "/history/versions"))["versions"] == [version]


async def test_the_feed_gives_readers_the_present_and_nothing_that_was_deleted(http: httpx.AsyncClient) -> None:
    await written(http)
    for after in (0, 1):
        page = await get(http, f"/updates?after={after}", "rea")
        assert (page["head"], len(page["updates"])) == (3, 1)
        row = page["updates"][0]
        payload = base64.b64decode(row["payload"])
        assert (row["seq"], row["first"], row["user"]) == (3, 1, None)
        assert (text_of(payload), b"Hello" in payload) == ("Goodbye <b> world", False)
    assert await get(http, "/updates?after=3", "rea") == {"updates": [], "head": 3}
    assert len((await get(http, "/updates"))["updates"]) == 3


async def test_22_who_may_not_read_a_document_learns_nothing_of_its_past(http: httpx.AsyncClient) -> None:
    await written(http)
    for resource in (
        "/history",
        "/history/blame",
        "/history/diff?from=0&to=1",
        "/history/versions",
        "/content?at=1",
    ):
        problem(await http.get(url(PLANS, resource), headers={"X-Who": "eve"}), 403)
    problem(await restore(http, "eve", seq=1), 403)


async def test_versions_are_renamed_and_removed(http: httpx.AsyncClient) -> None:
    await written(http)
    named = (await http.post(url(PLANS, "/history/versions"), json={"name": "Draft", "seq": 2})).json()
    one = url(PLANS, f"/history/versions/{named['id']}")
    assert (await http.patch(one, json={"name": "Final"})).json() == named | {"name": "Final"}
    assert (await http.delete(one)).status_code == 204
    problem(await http.delete(one), 404)
    problem(await http.delete(url(PLANS, "/history/versions/x")), 404)
    problem(await http.post(url(PLANS, "/history/versions"), json={"name": "Late", "seq": 4}), 404)
    for name in ("", "  ", "a\nb", "x" * 201, None):
        problem(await http.post(url(PLANS, "/history/versions"), json={"name": name}), 400)


@pytest.mark.parametrize(
    "query",
    ["from=1", "to=1", "from=-1&to=1", "from=1&to=2&format=pdf", "from=1&to=2&by=page", "from=1&to=2&from=2"],
)
async def test_a_diff_is_between_two_seqs(http: httpx.AsyncClient, query: str) -> None:
    await written(http)
    problem(await http.get(url(PLANS, f"/history/diff?{query}")), 400)


@pytest.mark.parametrize("query", ["after=1", "after=x.y", "limit=0", "since=yesterday", "who=ann"])
async def test_a_timeline_is_asked_for_properly(http: httpx.AsyncClient, query: str) -> None:
    await create(http, id=PLANS)
    problem(await http.get(url(PLANS, f"/history?{query}")), 400)


async def test_a_document_without_edits_has_an_empty_history(http: httpx.AsyncClient) -> None:
    await create(http, id=PLANS)
    assert await get(http, "/history") == {"head": 0, "entries": [], "next": None}
    assert await get(http, "/history/blame") == {"seq": 0, "authors": [], "roots": []}
    assert (await restore(http, "ann", seq=0)).json() == {"seq": 0, "changed": False}
    problem(await http.get(url("missing", "/history")), 404)


async def test_the_index_is_made_in_the_background(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Writer(server.http, "ann")
    # More than a chunk in bytes: it also ends the live checkpoint's patience, which is what wakes the keeper.
    words = "0123456789abcdef" * 32
    for _ in range(index.CHUNK_BYTES // len(words) // 64 + 3):
        await ann.push(lambda: ann.text.insert(0, words * 64))
    history = server.state["database"].history

    async def indexed() -> bool:
        return (await history.extent(DocumentId(PLANS))).indexed > 0

    await eventually(indexed, "the index", within=20)
    assert (await history.spans(DocumentId(PLANS)))[0].user_id == "ann"
    past = await server.http.get(url(PLANS, "/content?format=yjs&at=1"))
    assert text_of(past.content) == words * 64


async def test_a_question_that_takes_too_long_is_an_error_of_its_own(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path, history_seconds=0.000_1)) as server:
        await create(server.http, id=PLANS)
        assert problem(await server.http.get(url(PLANS, "/history/blame")), 422)["code"] == "limit-exceeded"
        assert (await server.http.get(url(PLANS, "/content"))).status_code == 200


async def test_the_next_question_is_answered_after_the_process_was_killed(server: Running) -> None:
    await written(server.http)
    before = await get(server.http, "/history/blame")
    process = server.state["history"]._process
    assert process is not None
    process.kill()
    await process.wait()
    assert await get(server.http, "/history/blame") == before
