"""REST: the list of documents, their titles, the bin."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from collab.types import parse_document_id
from tests.web.conftest import Running

PROBLEM = "application/problem+json"


def url(name: str, resource: str = "") -> str:
    return f"/api/documents/{quote(name, safe='')}{resource}"


async def create(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await http.post("/api/documents", json=fields)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert all(body[name] for name in ("title", "detail", "code"))
    return body


async def names(http: httpx.AsyncClient, **query: Any) -> list[str]:
    response = await http.get("/api/documents", params=query)
    assert response.status_code == 200, response.text
    return [document["id"] for document in response.json()["documents"]]


async def test_a_created_document_is_there_with_everything_about_it(http: httpx.AsyncClient) -> None:
    created = await create(http, id="plans", title="Plans for May")
    read = (await http.get(url("plans"))).json()
    assert read == created
    assert set(read) == {
        *("id", "title", "epoch", "head", "created_at", "updated_at", "deleted_at", "quarantine", "role", "owner"),
        "commented",
    }
    assert (read["id"], read["title"], read["head"], read["deleted_at"]) == ("plans", "Plans for May", 0, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read["created_at"])


async def test_a_document_without_a_name_gets_one_that_nobody_guesses(http: httpx.AsyncClient) -> None:
    first = await http.post("/api/documents")
    second = await http.post("/api/documents", json={})
    assert {first.status_code, second.status_code} == {201}
    one, other = first.json()["id"], second.json()["id"]
    assert one != other
    assert parse_document_id(one)
    assert len(one) >= 16
    assert quote(one, safe="") == one
    assert (await http.get(first.headers["location"])).json() == first.json()


async def test_the_location_of_a_name_with_slashes_leads_to_it(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/documents", json={"id": "team/plans/2027"})
    assert response.headers["location"] == "/api/documents/team%2Fplans%2F2027"
    assert (await http.get(response.headers["location"])).json()["id"] == "team/plans/2027"


async def test_a_name_is_taken_once(http: httpx.AsyncClient) -> None:
    await create(http, id="plans")
    assert problem(await http.post("/api/documents", json={"id": "plans"}), 409)["code"] == "document-exists"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"plans"',
        b'{"id": 1}',
        b'{"id": null, "title": null}',
        b'{"id": "plans", "owner": "me"}',
        b'{"title": "two\\nlines"}',
        b'{"title": "nul \\u0000"}',
        b'{"title": "\\ud800"}',
        b'{"title": "' + 1001 * b"x" + b'"}',
    ],
)
async def test_a_body_of_another_form_is_refused_and_makes_nothing(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/api/documents", content=body, headers={"content-type": "application/json"})
    assert problem(response, 400)["code"] == "invalid-request"
    assert await names(http) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a//b", "a/../b", "/a", "a/", "a b", "a%2Fb", "ü", "a\u0000", 256 * "a"]
)
async def test_a_bad_name_is_refused_and_makes_nothing(http: httpx.AsyncClient, name: str) -> None:
    problem(await http.post("/api/documents", json={"id": name}), 400)
    assert await names(http) == []


async def test_json_is_sent_as_json(http: httpx.AsyncClient) -> None:
    """A form that another site's page submits cannot be JSON by its media type."""
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = await http.post("/api/documents", content=b"{}", headers={"content-type": media_type})
        assert problem(response, 415)


async def test_a_body_larger_than_the_limit_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/documents", content=70_000 * b" ", headers={"content-type": "application/json"})
    assert problem(response, 413)["code"] == "too-large"


async def test_the_list_comes_in_pages_that_hold_every_document_once(http: httpx.AsyncClient) -> None:
    for number in range(7):
        await create(http, id=f"doc{number}")
    pages: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        page = (await http.get("/api/documents", params={"limit": 3, **after})).json()
        pages.append([document["id"] for document in page["documents"]])
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == [["doc0", "doc1", "doc2"], ["doc3", "doc4", "doc5"], ["doc6"]]
    assert (await http.get("/api/documents", params={"limit": 7})).json()["next"] is None


async def test_the_list_can_be_searched_by_title(http: httpx.AsyncClient) -> None:
    await create(http, id="a", title="Straße nach Süden")
    await create(http, id="b", title="Something else")
    assert await names(http, q="STRASSE") == ["a"]
    assert await names(http, q="100%") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "unknown=1", "limit=1&limit=2", "deleted=perhaps"])
async def test_a_query_of_another_form_is_refused(http: httpx.AsyncClient, query: str) -> None:
    problem(await http.get(f"/api/documents?{query}"), 400)


async def test_a_document_is_renamed(http: httpx.AsyncClient) -> None:
    created = await create(http, id="plans", title="Plans")
    response = await http.patch(url("plans"), json={"title": "  Better plans "})
    assert response.status_code == 200
    assert response.json()["title"] == "Better plans"
    read = (await http.get(url("plans"))).json()
    assert (read["title"], read["epoch"]) == ("Better plans", created["epoch"])


async def test_renaming_changes_the_title_only(http: httpx.AsyncClient) -> None:
    await create(http, id="plans", title="Plans")
    for body in ({}, {"id": "other", "title": "x"}, {"title": None}):
        problem(await http.patch(url("plans"), json=body), 400)
    assert (await http.get(url("plans"))).json()["title"] == "Plans"


async def test_the_bin_keeps_a_document_until_it_is_restored(http: httpx.AsyncClient) -> None:
    await create(http, id="plans", title="Plans")
    assert (await http.delete(url("plans"))).status_code == 204
    assert await names(http) == []
    assert await names(http, deleted="true") == ["plans"]
    assert (await http.get(url("plans"))).json()["deleted_at"] is not None
    problem(await http.get(url("plans", "/content")), 404)
    assert problem(await http.post("/api/documents", json={"id": "plans"}), 409)

    restored = await http.post(url("plans", "/restore"))
    assert restored.status_code == 200
    assert restored.json()["deleted_at"] is None
    assert await names(http) == ["plans"]
    assert (await http.get(url("plans", "/content"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "resource"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore"), ("GET", "/content"), ("GET", "/updates")],
)
async def test_a_document_that_does_not_exist_is_not_found_and_does_not_come_into_being(
    http: httpx.AsyncClient, method: str, resource: str
) -> None:
    body = {"title": "x"} if method == "PATCH" else None
    response = await http.request(method, url("nowhere", resource), json=body)
    assert problem(response, 404)["code"] == "document-not-found"
    assert await names(http) == []


NAMES = ["a", "a/b", "a/content", "a/updates", "a/restore", "content", "updates", "restore", "a/b/c", "A~1.x:y-z_0"]


async def test_every_name_is_its_own_document_however_much_it_looks_like_an_address(http: httpx.AsyncClient) -> None:
    for name in NAMES:
        await create(http, id=name, title=f"title of {name}")
    for name in NAMES:
        assert (await http.get(url(name))).json()["title"] == f"title of {name}"
        assert (await http.get(url(name, "/content"))).status_code == 200
        assert (await http.get(url(name, "/updates"))).json() == {"updates": [], "head": 0}
        assert (await http.patch(url(name), json={"title": f"new {name}"})).json()["id"] == name
    assert sorted(await names(http)) == sorted(NAMES)


async def test_the_name_is_decoded_once(http: httpx.AsyncClient) -> None:
    await create(http, id="a/b")
    await create(http, id="ab")
    assert (await http.get("/api/documents/a%2Fb")).json()["id"] == "a/b"
    assert (await http.get("/api/documents/a%2fb")).json()["id"] == "a/b"
    assert (await http.get("/api/documents/%61%62")).json()["id"] == "ab"
    for twice in ("a%252Fb", "%2561%2562", "a%25b"):
        problem(await http.get(f"/api/documents/{twice}"), 400)
    for other in ("a%00b", "a%ffb", "%2E%2E", "a%2F..%2Fb", "a%2F%2Fb", "a%20b", "a+b", "%C3%BC"):
        problem(await http.get(f"/api/documents/{other}"), 400)


@pytest.mark.parametrize(
    "path", ["/api/documents/a/b", "/api/documents/a/b/content", "/api/documents/", "/api", "/api/x"]
)
async def test_a_slash_in_a_rest_address_is_never_part_of_a_name(http: httpx.AsyncClient, path: str) -> None:
    await create(http, id="a/b")
    assert problem(await http.get(path), 404)["code"] == "not-found"


async def test_changes_from_a_page_of_another_site_change_nothing(http: httpx.AsyncClient) -> None:
    await create(http, id="plans", title="Plans")
    foreign = {"origin": "https://evil.example"}
    problem(await http.post("/api/documents", json={"id": "other"}, headers=foreign), 403)
    problem(await http.patch(url("plans"), json={"title": "x"}, headers=foreign), 403)
    problem(await http.delete(url("plans"), headers=foreign), 403)
    problem(await http.post(url("plans", "/restore"), headers=foreign), 403)
    assert await names(http) == ["plans"]
    assert (await http.get(url("plans"))).json()["title"] == "Plans"


async def test_everybody_who_has_a_deleted_document_open_is_sent_away(server: Running, http: httpx.AsyncClient) -> None:
    await create(http, id="plans")
    room = await server.state["hub"].open(grant_for("plans"))
    await http.delete(url("plans"))
    assert room.closed is not None
    assert room.closed.close_code == 4404


def grant_for(name: str) -> Any:
    from collab.types import Grant, Role

    return Grant(parse_document_id(name), Role.OWNER, None)
