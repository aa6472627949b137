"""Rows of the list of threats that need no socket: what strangers send is neither believed nor repeated as it came."""

import functools
import json
import random
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from collab.types import Grant, Role
from tests.support import almost
from tests.web.conftest import BASE_URL, make_settings, running
from tests.web.edits import text_update
from tests.web.people import CHEAP, PLANS, SECRET, Stage
from tests.web.test_api_jobs import exported, imported
from web.cookies import cookie_name
from web.minting import Kind, Mint
from web.visitor import matches

TESTS = Path(__file__).parents[1]
DOCUMENTATION = TESTS.parent / "docs" / "security.md"
ODD = "a\r\nSet-Cookie: x=y\r\n\x1b[31m\u202e\x00"


async def test_13_what_strangers_send_is_stored_and_shown_without_control_characters(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        await stage.call("nobody", "POST", "/api/sign-in", json={"name": "a\r\nb\x1b[31m", "password": "x" * 12})
        body = {"name": "reader", "password": "x" * 12}
        await stage.call("nobody", "POST", "/api/sign-in", json=body, headers={"user-agent": "evil\x1b[31m"})
        listed = await stage.call("administrator", "GET", "/api/admin/audit")
        exported = await stage.call("administrator", "GET", "/api/admin/audit/export")
        for text in (listed.text, exported.text):
            assert "\x1b" not in text
            assert "\u202e" not in text
        assert all(json.loads(line) for line in exported.text.splitlines())


@pytest.mark.parametrize("name", [ODD, "a@b", "", " ", "x" * 81, "\x00"])
async def test_13_a_name_that_could_fool_somebody_is_none(tmp_path: Path, name: str) -> None:
    async with Stage.open(tmp_path) as stage:
        response = await stage.call("reader", "PATCH", "/api/me", json={"name": name})
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "name"


async def test_13_wildcards_and_quotes_in_a_search_are_text(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        for query in ("%", "_", "' OR 1=1 --", '"', "\\", "*"):
            found = await stage.call("owner", "GET", "/api/people", params={"q": query})
            assert found.json() == {"people": []}, query
        assert len((await stage.call("owner", "GET", "/api/people", params={"q": "READ"})).json()["people"]) == 1


SPELLINGS = [
    *(
        "Secret",
        "SECRET",
        "secret%00",
        "secret%20",
        "%20secret",
        "secret%0a",
        "secret.",
        "secret/",
        "secret%2F",
        "/secret",
    ),
    *(
        "secret%2e",
        ".%2Fsecret",
        "%2e%2fsecret",
        "plans%2F%2e%2E%2Fsecret",
        "plans%2F..%2Fsecret",
        "plans//secret",
        "a%5C..%5Csecret",
    ),
    *("%2573ecret", "secret%252e", "se%63ret%3Fx", "secret%23x", "secret;x=1", "secret%00plans", "plans%00secret"),
    *("s%C3%A9cret", "se%CC%81cret", "%EF%BD%93ecret", "secre%E2%84%A2", "%FFsecret", "secret%EF%BB%BF", "s%D0%B5cret"),
]
"""Names that some part of a system might take for "secret": case, dots, slashes, NUL, twice encoded, other letters."""


async def test_7_no_other_spelling_opens_a_document(tmp_path: Path) -> None:
    wrong = []
    async with Stage.open(tmp_path) as stage:
        for name in SPELLINGS:
            for who, document in (("reader", name), ("other", name), ("reader", name.replace("secret", "plans"))):
                answer = await stage.call(who, "GET", "/api/documents/{document}", document=document)
                sent = await stage.handshake(who, document=document)
                socket = 101 if sent[0]["type"] == "websocket.accept" else sent[0]["status"]
                if not {answer.status_code, socket} <= {400, 403, 404}:
                    wrong.append(f"{who} {document}: {answer.status_code} {socket}")
    assert wrong == []


async def test_7_a_name_is_decoded_once_and_then_the_same_for_everything(tmp_path: Path, rng: random.Random) -> None:
    """However it is encoded: what is asked for, who may have it and what is given go by one and the same name."""

    def encoded(name: str) -> str:
        chosen = [rng.choice([character, f"%{ord(character):02X}", f"%{ord(character):02x}"]) for character in name]
        joined = "".join("%2F" if character == "/" else character for character in chosen)
        # Every client takes these two out of an address before it sends one (RFC 3986, section 5.2.4).
        return joined if joined not in {".", ".."} else joined.replace(".", "%2E")

    owners = {"plans": "owner", "secret": "other"}
    async with Stage.open(tmp_path) as stage:
        names = ["".join(rng.choices("aZ09._:~/-%", k=rng.randint(1, 12))) for _ in range(40)]
        for name in [*owners] * 10 + names:
            document = encoded(name)
            for who in ("owner", "other"):
                answer = await stage.call(who, "GET", "/api/documents/{document}", document=document)
                assert (answer.status_code == 200) == (who == owners.get(name)), f"{who} {document}"
                if answer.status_code == 200:
                    assert answer.json()["id"] == name


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9"])
async def test_23_a_proxy_is_believed_only_when_it_is_trusted(tmp_path: Path, peer: str) -> None:
    """Who may say that a line is safe decides where a cookie travels, and whose attempts are counted."""
    async with Stage.open(tmp_path) as stage:
        app: Any = ProxyHeadersMiddleware(stage.server, trusted_hosts=["127.0.0.1"])  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app, client=(peer, 1234))
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7", "host": "docs.example.com"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=forwarded) as client:
            response = await client.post("/api/sign-in", json={"name": "reader", "password": "wrong password"})
        trusted = peer == "127.0.0.1"
        assert response.json()["code"] == ("wrong-credentials" if trusted else "https-required")
        entries = (await stage.call("administrator", "GET", "/api/admin/audit?action=sign-in-failed")).json()["entries"]
        assert [entry["address"] for entry in entries] == (["198.51.100.7"] if trusted else [])


async def test_23_the_server_answers_to_its_own_names_only(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, auth="accounts", allowed_hosts="docs.example.com, 127.0.0.1", **CHEAP)
    async with running(settings) as server:
        for host, status in (("docs.example.com", 200), ("DOCS.example.com:8443", 200), ("evil.example", 400)):
            for path in ("/api/me", "/healthz", "/"):
                assert (await server.http.get(path, headers={"host": host})).status_code == status


async def test_1_the_cookie_of_a_safe_line_is_of_the_host_alone(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        guest_link = await stage.call(
            "owner", "POST", "/api/documents/{document}/sharing/links", json={"role": "reader"}
        )
        secret = guest_link.json()["url"].partition("#key=")[2]
        transport = httpx.ASGITransport(stage.server)
        async with httpx.AsyncClient(transport=transport, base_url="https://docs.example.com") as client:
            cookie = (await client.post("/api/links/open", json={"secret": secret})).headers["set-cookie"]
        assert cookie.startswith("__Host-coscribe=css_")
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)
        async with httpx.AsyncClient(transport=transport, base_url="http://docs.example.com") as client:
            refused = await client.post("/api/links/open", json={"secret": secret})
        assert refused.json()["code"] == "https-required"
        assert "set-cookie" not in refused.headers


def test_a_cookie_that_was_set_over_http_is_another_one() -> None:
    from starlette.requests import HTTPConnection

    def named(scheme: str, host: str) -> str:
        return cookie_name(HTTPConnection({"type": "http", "scheme": scheme, "headers": [(b"host", host.encode())]}))

    assert named("https", "localhost:8000") == named("wss", "localhost") == "__Host-coscribe"
    assert (named("http", "localhost:8000"), named("ws", "[::1]")) == ("coscribe-8000", "coscribe-80")


async def test_6_somebody_who_does_not_exist_takes_as_long_as_a_wrong_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not measured: the same work is done, once for each attempt."""
    async with Stage.open(tmp_path) as stage:
        hasher: Any = stage.server.state["passwords"]._hasher
        verified: list[str] = []
        original = hasher.verify

        def counted(password: str, hashed: str) -> Any:
            verified.append(hashed)
            return original(password, hashed)

        monkeypatch.setattr(hasher, "verify", counted)
        for name in ("nobody at all", "reader"):
            body = {"name": name, "password": "a wrong password"}
            assert (await stage.call("nobody", "POST", "/api/sign-in", json=body)).status_code == 401
        assert len(verified) == 2, "an account without a password, and none at all"


async def test_12_attempts_to_sign_in_are_limited_by_address(tmp_path: Path) -> None:
    async with Stage.open(tmp_path, sign_ins_per_minute_max=4) as stage:
        statuses = []
        for attempt in range(8):
            body = {"name": f"somebody {attempt}", "password": "a wrong password"}
            response = await stage.call("nobody", "POST", "/api/sign-in", json=body)
            statuses.append(response.status_code)
        assert statuses == [401] * 4 + [429] * 4
        assert int(response.headers["retry-after"]) > 0


def test_20_a_secret_that_was_never_made_is_recognised_without_a_look_at_the_database() -> None:
    mint, other = Mint(b"k" * 32), Mint(b"l" * 32)
    secret, digest = mint.make(Kind.TOKEN)
    assert mint.digest(Kind.TOKEN, secret) == digest
    assert mint.make(Kind.TOKEN)[0] != secret
    changed = almost(secret)
    for wrong in (changed, secret[:-1], secret + "A", secret.upper(), "", "cst_", f"cst_{'A' * 48}", secret + "\n"):
        assert mint.digest(Kind.TOKEN, wrong) is None, wrong
    assert mint.digest(Kind.SIGN_IN, secret) is None, "one kind is not another"
    assert mint.digest(Kind.SIGN_IN, secret.replace("cst", "css")) is None
    assert other.digest(Kind.TOKEN, secret) is None


async def test_14_an_import_brings_content_and_no_rights(tmp_path: Path) -> None:
    """Neither a file nor an archive says who owns what it becomes; and it becomes nothing that is there already."""
    claims = {"id": "mine", "owner": "stranger", "role": "owner", "people": [{"id": "stranger", "role": "owner"}]}
    file = json.dumps({"type": "doc", "content": [{"type": "paragraph", "attrs": claims}], **claims}).encode()
    async with Stage.open(tmp_path) as stage:
        made = await stage.call("reader", "POST", "/api/import?id=mine&format=json", content=file)
        assert made.status_code == 201, made.text
        sharing = (await stage.call("reader", "GET", "/api/documents/mine/sharing")).json()
        assert [(each["name"], each["role"]) for each in sharing["people"]] == [("reader", "owner")]
        assert (sharing["general"]["who"], sharing["links"]) == ("invited", [])
        assert (await stage.call("stranger", "GET", "/api/documents/mine")).status_code == 403
        taken = await stage.call("reader", "POST", "/api/import?id=secret&format=text", content=b"x")
        assert taken.status_code == 409
        await hide(stage)
        archive = await exported(Administration(stage).http, documents=["secret"])
    (tmp_path / "second").mkdir()
    async with Stage.open(tmp_path / "second") as stage:
        job = await imported(Administration(stage).http, archive, "?prefix=from/")
        assert job["result"]["documents"] == 1
        for who in ("other", "reader", "stranger"):
            answer = await stage.call(who, "GET", "/api/documents/from%2Fsecret")
            assert answer.status_code == 403, f"{who} has a namesake where it comes from"


class Administration:
    """The administrator of a stage: as much of an HTTP client as the helpers of jobs need."""

    def __init__(self, stage: Stage) -> None:
        self.get = functools.partial(stage.call, "administrator", "GET")
        self.post = functools.partial(stage.call, "administrator", "POST")

    @property
    def http(self) -> Any:
        return self


async def hide(stage: Stage) -> None:
    """Write something into the document of somebody else."""
    headers = {"content-type": "application/octet-stream"}
    path, update = "/api/documents/secret/updates", text_update("hidden")
    assert (await stage.call("other", "POST", path, content=update, headers=headers)).status_code == 200


def test_21_what_was_granted_is_not_changed_on_the_way() -> None:
    """The grant with which a request came in is what every part behind the door goes by."""
    grant = Grant(PLANS, Role.READER, "u1", "Ann")
    for name, value in {"document": SECRET, "role": Role.OWNER, "user_id": "u2", "may_create": True}.items():
        with pytest.raises(FrozenInstanceError):
            setattr(grant, name, value)


async def test_22_a_version_belongs_to_its_own_document(tmp_path: Path) -> None:
    """Who may rename versions of one document may not reach those of another by their number."""
    async with Stage.open(tmp_path) as stage:
        await hide(stage)
        made = await stage.call("other", "POST", "/api/documents/secret/history/versions", json={"name": "Draft"})
        assert made.status_code == 201, made.text
        path = f"/api/documents/plans/history/versions/{made.json()['id']}"
        assert (await stage.call("owner", "PATCH", path, json={"name": "Mine"})).status_code == 404
        assert (await stage.call("owner", "DELETE", path)).status_code == 404
        kept = await stage.call("other", "GET", "/api/documents/secret/history/versions")
        assert [version["name"] for version in kept.json()["versions"]] == ["Draft"]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "any/thing", True),
        ("a/*", "a/b/c", True),
        ("a/*", "a/", True),
        ("a/*", "a", False),
        ("*a", "ba", True),
        ("*a*", "bab", True),
        ("a*a", "a", False),
        ("a*b*c", "abbc", True),
        ("a*b*c", "acb", False),
        ("**", "a", True),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
    assert matches("*a" * 100 + "b", "a" * 255) is False, "in linear time"


def test_the_documentation_names_the_tests_of_every_row() -> None:
    rows = re.findall(r"^\| ([0-9]+) \|.*\| (.*) \|$", DOCUMENTATION.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 24)]
    named = {int(number): set(re.findall(r"`(test_\w+)`", cell)) for number, cell in rows}
    sources = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    there: dict[int, set[str]] = {number: set() for number in named}
    for test, number in re.findall(r"def (test_([0-9]{1,2})_\w+)\(", sources):
        there[int(number)].add(test)
    assert named == there
