"""The application as a whole: every route passes the door, every refusal is a problem, every answer has its headers."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
from starlette.routing import BaseRoute
from structlog.testing import capture_logs

import web.routes
from collab.errors import CollabError, OtherEpoch, StoreUnavailable, UnrelatedCopy
from collab.hub import Hub
from collab.stats import Stats
from collab.types import Grant, Role, parse_document_id
from storage.backup import BackupError
from storage.engine import Database
from storage.errors import SchemaBehind, StoreBroken, UnsupportedDatabase
from tests.support import eventually
from tests.web.conftest import BASE_URL, Running, make_settings, running
from tests.web.edits import text_update
from tests.web.test_api_documents import problem, url
from tests.web.test_api_updates import post, read
from web.app import create_app
from web.errors import ANSWERS, problem_for
from web.metrics import COUNTERS, GAUGES
from web.routes import PAGES
from web.routing import Public, Resource, SocketRoute
from web.static_files import StaticFiles

PAGE_BESIDE_AN_OPERATION = "/d/{document}/update"
PUBLIC = {"/api/openapi.json", "/healthz", "/readyz", "/ready", "/metrics", "/assets/{path:path}", *PAGES}
PUBLIC |= {PAGE_BESIDE_AN_OPERATION}
"""What answers without the door; everything else must refuse whom it does not know."""


async def handshake(server: Running, path: str, query: str = "", **headers: str) -> list[dict[str, Any]]:
    """What the application sends in answer to a WebSocket handshake, up to where the socket would be open."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in ({"host": "127.0.0.1:8000"} | headers).items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    incoming: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await server(scope, receive, send)
    return sent


def refusal(sent: list[dict[str, Any]]) -> int:
    """Status of a handshake that was answered with a problem instead of being accepted."""
    start, body = sent
    assert (start["type"], body["type"]) == ("websocket.http.response.start", "websocket.http.response.body")
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert json.loads(body["body"])["status"] == start["status"]
    status: int = start["status"]
    return status


def address(route: BaseRoute) -> str:
    assert isinstance(route, Resource | SocketRoute), f"{route} is built without the door"
    return route.path.replace("{document}", "plans").replace("{document:path}", "plans").replace("{path:path}", "x.js")


def test_only_the_listed_routes_are_public() -> None:
    for route in web.routes.routes(StaticFiles(Path("/nonexistent"))):
        public = isinstance(route, Resource) and any(isinstance(o, Public) for o in route.operations.values())
        assert public == (getattr(route, "path", None) in PUBLIC)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000"])
async def test_a_local_server_gives_no_route_under_another_name(server: Running, host: str) -> None:
    for route in server.app.routes:
        if isinstance(route, SocketRoute):
            assert refusal(await handshake(server, address(route), host=host)) == 403
        else:
            problem(await server.http.get(address(route), headers={"host": host}), 403 if "GET" in ops(route) else 405)


def ops(route: BaseRoute) -> Any:
    assert isinstance(route, Resource)
    return route.operations


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ws/plans", 101),
        ("/ws/team/plans", 101),
        ("/ws/team%2Fplans", 101),
        ("/ws/", 400),
        ("/ws/a%20b", 400),
        ("/ws/a%252Fb", 400),
        ("/ws/a//b", 400),
        ("/ws/../etc/passwd", 400),
        ("/ws/%2e%2e", 400),
        ("/ws/%ff", 400),
        ("/ws/a%00", 400),
        ("/ws", 101),
        ("/", 404),
        ("/api/documents", 404),
        ("/api/documents/plans", 404),
    ],
)
async def test_a_handshake_is_accepted_or_answered_with_a_problem(server: Running, path: str, status: int) -> None:
    sent = await handshake(server, path)
    if status == 101:
        assert sent[0]["type"] == "websocket.accept"
    else:
        assert refusal(sent) == status


async def test_the_document_of_a_socket_is_the_rest_of_the_path(server: Running) -> None:
    await handshake(server, "/ws/team/plans")
    await handshake(server, "/ws/team%2Fplans")
    (document,) = await server.state["database"].documents.list(limit=10)
    assert document.id == "team/plans"


async def test_a_handshake_from_a_page_of_another_site_is_refused_and_creates_nothing(server: Running) -> None:
    assert refusal(await handshake(server, "/ws/plans", origin="https://evil.example")) == 403
    assert await server.state["database"].documents.list(limit=10) == []


async def test_a_handshake_to_a_document_in_the_bin_is_not_found(server: Running, http: httpx.AsyncClient) -> None:
    await http.post("/api/documents", json={"id": "plans"})
    await http.delete(url("plans"))
    assert refusal(await handshake(server, "/ws/plans")) == 404


async def test_a_server_that_cannot_refuse_with_an_answer_closes_before_accepting(server: Running) -> None:
    sent: list[Any] = []
    scope = {"type": "websocket", "scheme": "ws", "path": "/x", "raw_path": b"/x", "headers": [], "subprotocols": []}

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await server(scope, receive, send)
    assert sent == ["websocket.close"]


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/documents/plans/future", "/healthz/", "/%61pi/documents"])
async def test_an_unknown_address_is_a_problem(http: httpx.AsyncClient, path: str) -> None:
    assert problem(await http.get(path), 404)["code"] == "not-found"


async def test_a_wrong_method_is_a_problem_that_lists_the_right_ones(http: httpx.AsyncClient) -> None:
    response = await http.put(url("plans"))
    problem(response, 405)
    assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH"


def leaves(kind: type[CollabError]) -> set[type[CollabError]]:
    below = {leaf for child in kind.__subclasses__() for leaf in leaves(child)}
    return below or {kind}


ONLY_IN_COMMANDS = {SchemaBehind, UnsupportedDatabase, BackupError}
ONLY_ON_SOCKETS = {OtherEpoch, UnrelatedCopy}
IN_REQUESTS = sorted(leaves(CollabError) - ONLY_IN_COMMANDS - ONLY_ON_SOCKETS, key=str)


@pytest.mark.parametrize("kind", [kind for kind in IN_REQUESTS if not kind.__module__.startswith("tests")])
def test_every_error_that_a_request_can_end_in_has_its_answer(kind: type[CollabError]) -> None:
    assert any(ancestor in ANSWERS for ancestor in kind.__mro__)
    answer = problem_for(kind("what a client may read"))
    assert answer.media_type == "application/problem+json"
    assert json.loads(bytes(answer.body))["detail"] == "what a client may read"
    assert answer.status_code < 600


class Break:
    """Replaces a method of the running server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, owner: object, name: str, error: Exception) -> None:
        async def broken(*_args: object, **_kwargs: object) -> None:
            raise error

        self._monkeypatch.setattr(owner, name, broken)


@pytest.fixture
def break_(monkeypatch: pytest.MonkeyPatch) -> Break:
    return Break(monkeypatch)


async def test_a_fault_of_ours_tells_the_client_nothing_and_the_log_everything(
    server: Running, http: httpx.AsyncClient, break_: Break
) -> None:
    break_(server.state["hub"], "state", KeyError("swordfish"))
    with capture_logs() as logged:
        response = await http.get(url("plans", "/content"))
    problem(response, 500)
    assert "swordfish" not in response.text
    assert "Traceback" not in response.text
    assert "swordfish" in repr(logged[0]["exc_info"])
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_fault_of_ours_in_a_handshake_is_a_problem_too(server: Running, break_: Break) -> None:
    break_(server.state["hub"], "open", KeyError("swordfish"))
    sent = await handshake(server, "/ws/plans")
    assert refusal(sent) == 500
    assert b"swordfish" not in sent[1]["body"]


async def test_a_database_that_cannot_be_reached_asks_to_come_back(
    server: Running, http: httpx.AsyncClient, break_: Break
) -> None:
    break_(server.state["database"].documents, "choose", StoreUnavailable("the database cannot be reached"))
    response = await http.get("/api/documents")
    assert problem(response, 503)["code"] == "store-unavailable"
    assert int(response.headers["retry-after"]) > 0


async def test_the_server_is_live_and_ready(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == {"status": "live"}
    assert (await http.get("/readyz")).json() == {"status": "ready"}
    assert (await http.head("/readyz")).status_code == 200


@pytest.mark.parametrize("error", [StoreUnavailable("down"), SchemaBehind("behind"), StoreBroken("broken")])
async def test_a_server_whose_database_does_not_serve_is_live_but_not_ready(
    server: Running, http: httpx.AsyncClient, break_: Break, error: Exception
) -> None:
    break_(server.state["database"], "ping", error)
    response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert (await http.get("/healthz")).status_code == 200


async def test_a_server_that_cannot_save_is_not_ready(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub, "ready", property(lambda _hub: False))
    assert (await http.get("/readyz")).status_code == 503


async def test_an_application_does_not_start_on_a_database_that_waits_for_an_upgrade(tmp_path: Path) -> None:
    app = create_app(make_settings(tmp_path))
    with pytest.raises(SchemaBehind):
        async with app.router.lifespan_context(app):
            pass


async def test_what_was_accepted_is_stored_when_the_application_ends(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, commit_window_ms=1000)
    grant = Grant(parse_document_id("plans"), Role.EDITOR, None, may_create=True)
    async with running(settings) as server:
        hub = server.state["hub"]
        saving = asyncio.create_task(hub.apply(grant, text_update("the last words")))
        await eventually(lambda: hub.stats.unsaved_bytes, "an edit that is not yet stored")
        assert not saving.done()
    assert await saving == 1
    async with running(settings) as server:
        assert (await read(server.http, "plans"))["head"] == 1


async def test_an_application_leaves_a_database_that_it_was_given_open(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    async with running(settings):
        pass
    async with await Database.open(settings.database_url) as database:
        app = create_app(settings, database=database)
        async with app.router.lifespan_context(app):
            pass
        await database.ping()


def test_every_counter_of_the_engine_is_a_metric() -> None:
    assert set(Stats.__slots__) - set(GAUGES) - set(COUNTERS) == {"commits", "commit_seconds", "refusals"}


async def test_metrics_count_what_happened(server: Running, http: httpx.AsyncClient) -> None:
    await post(http, "plans", text_update("x"))
    server.state["hub"].stats.refusals["MalformedMessage"] += 2
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert "coscribe_rows_committed_total 1.0" in lines
    assert "coscribe_commit_seconds_count 1.0" in lines
    assert "coscribe_rooms 1.0" in lines
    assert "coscribe_ready 1.0" in lines
    assert 'coscribe_refusals_total{reason="MalformedMessage"} 2.0' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert "plans" not in response.text


async def test_16_every_answer_carries_the_security_headers(http: httpx.AsyncClient) -> None:
    for path in ("/", "/d/plans", "/healthz", "/api/documents", "/nothing", "/assets/none.js"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        directives = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] in ("no-store", "no-cache")


SCRIPT = "export const answer = 42\n" * 200
DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
DECODED: dict[str | None, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    None: lambda content: content,
}


@pytest.fixture
async def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """GET on a server whose web app has these files."""
    directory = tmp_path / "static"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html>")
    (directory / "manifest.webmanifest").write_text("{}")
    (directory / "assets" / "app-1a2b.js").write_text(SCRIPT)
    (directory / "assets" / "dot.png").write_bytes(DOT)
    (tmp_path / "secret").write_text("swordfish")
    monkeypatch.setattr("web.app.StaticFiles", lambda: StaticFiles(directory))
    async with running(make_settings(tmp_path)) as server:
        raw = httpx.ASGITransport(server)

        async def get(path: str, method: str = "GET", **headers: str) -> tuple[int, httpx.Headers, bytes]:
            request = httpx.Request(method, BASE_URL + path, headers=headers)
            response = await raw.handle_async_request(request)
            # Not decoded: what matters here is what goes over the wire.
            body = b"".join([part async for part in response.stream])  # type: ignore[union-attr]
            return response.status_code, response.headers, body

        yield get


async def test_the_page_is_asked_for_anew_and_is_the_same_for_every_document(static: Callable[..., Any]) -> None:
    for path in ("/", "/d/plans", "/d/team/plans", "/d/", "/d/a%2Fb"):
        status, headers, body = await static(path)
        assert (status, body) == (200, b"<!doctype html>")
        assert headers["cache-control"] == "no-cache"
        assert headers["content-type"].startswith("text/html")
    status, headers, body = await static("/", **{"if-none-match": headers["etag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/d/plans/may", "/sign-in", "/join"])
async def test_a_page_comes_with_the_names_of_the_modules_that_it_needs(http: httpx.AsyncClient, path: str) -> None:
    """For a page that is compressed as well: without them it takes one round trip more for each step of imports."""
    for encoding in ("identity", "br"):
        answer = await http.get(path, headers={"Accept-Encoding": encoding})
        links = answer.headers["link"].split(", ")
        assert len(links) > 2
        for link in links:
            file, kind = link.split("; ", 1)
            assert kind == "rel=modulepreload; crossorigin"
            assert (await http.get(file.strip("<>"))).status_code == 200
    assert "link" not in (await http.get("/account")).headers
    assert (await http.get("/preloads.json")).status_code == 404


async def test_files_with_a_hash_in_their_name_are_kept_for_ever(static: Callable[..., Any]) -> None:
    for accepted in ("", "br"):
        status, headers, body = await static("/assets/app-1a2b.js", **{"accept-encoding": accepted})
        assert (status, DECODED[headers.get("content-encoding")](body)) == (200, SCRIPT.encode())
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "javascript" in headers["content-type"]
        assert headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("GZIP", "gzip"),
        ("*", "br"),
        ("*, br; q=0.0", "gzip"),
        ("*;q=0", None),
        ("gzipped", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_form_that_the_browser_takes_is_sent(
    static: Callable[..., Any], accepted: str, encoding: str | None
) -> None:
    for path in ("/assets/app-1a2b.js", "/assets/app-1a2b.js"):
        _, headers, body = await static(path, **{"accept-encoding": accepted})
        assert headers.get("content-encoding") == encoding
        assert DECODED[encoding](body) == SCRIPT.encode()
        assert int(headers["content-length"]) == len(body)
        assert encoding is None or len(body) < len(SCRIPT) // 10
        assert headers["vary"] == "Accept-Encoding"
        assert "javascript" in headers["content-type"]


async def test_a_file_that_would_get_no_smaller_is_sent_as_it_is(static: Callable[..., Any]) -> None:
    _, headers, body = await static("/assets/dot.png", **{"accept-encoding": "br, gzip"})
    assert (headers.get("content-encoding"), body, headers["content-type"]) == (None, DOT, "image/png")


@pytest.mark.parametrize("accepted", ["br", "gzip", ""])
async def test_a_file_is_not_sent_again_to_who_has_it_in_this_form(static: Callable[..., Any], accepted: str) -> None:
    path, accepts = "/assets/app-1a2b.js", {"accept-encoding": accepted}
    _, whole, body = await static(path, **accepts)
    status, headers, nothing = await static(path, "HEAD", **accepts)
    assert (status, nothing, dict(headers)) == (200, b"", dict(whole))
    for etag in (whole["etag"], f'"other", W/{whole["etag"]}', "*"):
        status, headers, nothing = await static(path, **accepts, **{"if-none-match": etag})
        assert (status, nothing, headers["etag"], headers["vary"]) == (304, b"", whole["etag"], "Accept-Encoding")
        assert "immutable" in headers["cache-control"]
    status, _, again = await static(path, **accepts, **{"if-none-match": '"other"'})
    assert (status, again) == (200, body)


async def test_each_form_of_a_file_has_its_own_etag(static: Callable[..., Any]) -> None:
    etags = {
        (await static("/assets/app-1a2b.js", **{"accept-encoding": each}))[1]["etag"] for each in ("br", "gzip", "")
    }
    assert len(etags) == 3


async def test_a_part_of_a_file_is_one_of_the_file_as_it_is(static: Callable[..., Any]) -> None:
    path = "/assets/app-1a2b.js"
    status, headers, body = await static(path, **{"accept-encoding": "br", "range": "bytes=7-11"})
    assert (status, body, headers.get("content-encoding")) == (206, b"const", None)
    assert headers["content-range"] == f"bytes 7-11/{len(SCRIPT)}"
    _, whole, _ = await static(path, **{"accept-encoding": "br"})
    mixed = {"accept-encoding": "br", "range": "bytes=7-11", "if-range": whole["etag"]}
    status, headers, body = await static(path, **mixed)
    assert (status, body, headers.get("content-encoding")) == (200, SCRIPT.encode(), None)


async def test_a_file_is_compressed_once_however_many_ask(
    static: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed: list[int] = []

    def compress(content: bytes) -> bytes:
        compressed.append(len(content))
        return b"small"

    monkeypatch.setattr("web.static_files.ENCODINGS", {"br": compress})
    answers = await asyncio.gather(*(static("/assets/app-1a2b.js", **{"accept-encoding": "br"}) for _ in range(20)))
    assert {body for _, _, body in answers} == {b"small"}
    assert compressed == [len(SCRIPT)]


async def test_long_answers_in_json_are_compressed_for_who_takes_that(server: Running, http: httpx.AsyncClient) -> None:
    for length in (10, 20_000):
        await post(http, "plans", text_update("tell me more " * length))
    sizes: dict[str, int] = {}
    answers = []
    for accepted in ("gzip, br", "identity"):
        async with http.stream("GET", url("plans", "/updates"), headers={"accept-encoding": accepted}) as response:
            raw = b"".join([part async for part in response.aiter_raw()])
        sizes[accepted] = len(raw)
        assert response.headers.get("content-encoding") == ("gzip" if accepted != "identity" else None)
        assert int(response.headers["content-length"]) == len(raw)
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["cache-control"] == "no-store"
        answers.append(json.loads(gzip.decompress(raw) if accepted != "identity" else raw))
    assert answers[0] == answers[1]
    assert sizes["gzip, br"] < sizes["identity"] // 10
    short = await http.get(url("plans"), headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in short.headers


async def test_files_beside_the_page_are_served_and_asked_for_anew(static: Callable[..., Any]) -> None:
    status, headers, body = await static("/manifest.webmanifest")
    assert (status, body, headers["cache-control"]) == (200, b"{}", "no-cache")


@pytest.mark.parametrize(
    "path", ["/assets/../../secret", "/assets/..%2F..%2Fsecret", "/assets/%2E%2E/%2E%2E/secret", "/assets/", "/secret"]
)
async def test_13_no_other_file_can_be_reached(static: Callable[..., Any], path: str) -> None:
    status, _, body = await static(path)
    assert status == 404
    assert b"swordfish" not in body


async def test_without_a_web_app_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.app.StaticFiles", lambda: StaticFiles(tmp_path / "nothing"))
    async with running(make_settings(tmp_path)) as server:
        response = await server.http.get("/d/plans")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain")
        assert "/ws/{document}" in response.text
