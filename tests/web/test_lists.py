"""REST: finding documents by what they say, stars, copies; and that none of it shows anybody what is not theirs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collab.ports import Append, NewUpdate
from collab.types import parse_document_id
from storage.audit_log import Actor
from tests.support import eventually
from tests.web.conftest import Running
from tests.web.edits import text_update
from tests.web.people import Stage
from web import indexer

LIST = "/api/documents"
UPDATES = "/api/documents/{document}/updates"
STAR = "/api/documents/{document}/star"


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "_CALM_SECONDS", 0)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage.open(tmp_path) as stage:
        yield stage


async def say(stage: Stage, who: str, document: str, text: str) -> None:
    answer = await stage.call(
        who,
        "POST",
        UPDATES,
        document=document,
        content=text_update(text),
        headers={"content-type": "application/octet-stream"},
    )
    assert answer.status_code == 200, answer.text


async def listed(stage: Stage, who: str, by: str = "cookie", **query: Any) -> list[dict[str, Any]]:
    answer = await stage.call(who, "GET", LIST, by=by, params=query)
    assert answer.status_code == 200, answer.text
    documents: list[dict[str, Any]] = answer.json()["documents"]
    return documents


async def test_6_a_search_finds_what_documents_say_and_only_in_those_that_one_may_read(stage: Stage) -> None:
    await say(stage, "owner", "plans", "The heron nests in March.")
    await say(stage, "other", "secret", "The heron is worth a fortune.")

    async def indexed() -> bool:
        return len(await listed(stage, "administrator", q="heron", scope="all")) == 2

    await eventually(indexed, "both are found")
    for who in ("owner", "editor", "commenter", "reader", "guest"):
        for by in ("cookie", "token") if who != "guest" else ("cookie",):
            (found,) = await listed(stage, who, by, q="HERON")
            assert (found["id"], found["excerpt"]) == ("plans", "The heron nests in March.")
            assert await listed(stage, who, by, q="fortune") == []
    assert await listed(stage, "stranger", q="heron") == []
    assert await listed(stage, "administrator", q="heron") == []

    await stage.call("owner", "DELETE", "/api/documents/{document}")
    assert await listed(stage, "reader", q="heron") == []
    assert await listed(stage, "reader", q="heron", deleted=True) == []
    assert [found["id"] for found in await listed(stage, "owner", q="heron", deleted=True)] == ["plans"]


async def test_a_long_document_is_found_as_well(server: Running, http: httpx.AsyncClient) -> None:
    """It is read in another process."""
    await http.post(LIST, json={"id": "long"})
    words = " ".join(f"word{number}" for number in range(3000))
    headers = {"content-type": "application/octet-stream"}
    await http.post(f"{LIST}/long/updates", content=text_update(f"{words} the very end"), headers=headers)

    async def found() -> list[Any]:
        documents: list[Any] = (await http.get(LIST, params={"q": "very end"})).json()["documents"]
        return documents

    (document,) = await eventually(found, "the end is found", within=20)
    assert document["excerpt"].endswith("the very end")


async def test_what_was_written_while_no_server_looked_is_found_later(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        log = stage.database.log
        await log.append([Append(parse_document_id("plans"), (NewUpdate(None, text_update("past the server")),))])
        assert await listed(stage, "owner", q="past the server") == []
        seeker = indexer.Indexer(log, stage.database.search, stage.server.state["history"])
        await seeker._look()
        assert list(seeker._turns) == ["plans"]


async def test_stars_are_ones_own(stage: Stage) -> None:
    for who in ("reader", "guest"):
        assert (await stage.call(who, "PUT", STAR)).status_code == 204
    for who, starred in (("reader", True), ("guest", True), ("owner", False)):
        assert [document["starred"] for document in await listed(stage, who)] == [starred]
    assert [document["id"] for document in await listed(stage, "reader", starred=True)] == ["plans"]
    assert await listed(stage, "owner", starred=True) == []
    await stage.call("reader", "DELETE", STAR)
    assert await listed(stage, "reader", starred=True) == []
    await stage.call("reader", "PUT", STAR)
    await stage.database.sharing.take("plans", stage.people["reader"].account.id, Actor())
    assert await listed(stage, "reader", starred=True) == []


async def test_where_nobody_has_a_name_nobody_has_stars(http: httpx.AsyncClient) -> None:
    await http.post(LIST, json={"id": "plans"})
    assert (await http.put(f"{LIST}/plans/star")).status_code == 400
    assert (await http.get(LIST, params={"starred": True})).status_code == 400


async def test_what_is_shared_with_me(stage: Stage) -> None:
    assert [document["id"] for document in await listed(stage, "reader", shared=True)] == ["plans"]
    assert await listed(stage, "owner", shared=True) == []


async def test_pages_in_the_order_of_the_last_change(http: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await http.post(LIST, json={"id": name})
    await http.patch(f"{LIST}/a", json={"title": "changed last"})
    seen: list[str] = []
    after: str | None = None
    while True:
        query: dict[str, Any] = {"order": "changed", "limit": 2} | ({} if after is None else {"after": after})
        page = (await http.get(LIST, params=query)).json()
        seen += [document["id"] for document in page["documents"]]
        after = page["next"]
        if after is None:
            break
    assert seen[0] == "a"
    assert sorted(seen) == ["a", "b", "c"]
    for strange in ("a", "x.a", "1.", "-1.a", "9" * 30 + ".a"):
        answer = await http.get(LIST, params={"order": "changed", "after": strange})
        assert answer.status_code == 400, strange


async def test_a_copy_has_the_content_and_belongs_to_whoever_made_it(stage: Stage) -> None:
    await say(stage, "owner", "plans", "to be copied")
    answer = await stage.call("reader", "POST", LIST, json={"title": "Copy of Plans", "copy_of": "plans"})
    assert answer.status_code == 201
    copy = answer.json()
    assert (copy["title"], copy["role"], copy["head"]) == ("Copy of Plans", "owner", 1)
    content = await stage.call("reader", "GET", "/api/documents/{document}/content", document=copy["id"])
    assert content.text == "to be copied"
    assert (await stage.call("owner", "GET", "/api/documents/{document}", document=copy["id"])).status_code == 403


async def test_6_nobody_copies_what_they_may_not_read(stage: Stage) -> None:
    for document in ("secret", "no-such-document"):
        answer = await stage.call("reader", "POST", LIST, json={"copy_of": document})
        assert answer.status_code == 403
    assert [document["id"] for document in await listed(stage, "reader")] == ["plans"]
