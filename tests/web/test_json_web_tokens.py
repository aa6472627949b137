"""Row 19: tokens that must not count, each refused for its reason; keys of every kind, rotated."""

import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import SecretStr

from collab.errors import NotAuthenticated, StoreUnavailable
from collab.types import DocumentId, Role
from tests.web.conftest import Running, make_settings, running
from tests.web.people import problem_of
from tests.web.test_app import handshake
from web.json_web_tokens import JsonWebTokens, SharedSecrets
from web.key_set import KeySet
from web.settings import Settings

SECRET = "a secret of thirty-two characters"
OLD = "an older secret of many characters"
NOW = int(time.time())
GOOD: dict[str, Any] = {
    "sub": "4711",
    "name": "Ann",
    "exp": NOW + 3600,
    "aud": "docs",
    "iss": "shop",
    "documents": {"team/*": "editor", "handbook": "reader"},
}


def signed(claims: dict[str, Any] | None = None, *, key: Any = SECRET, alg: str = "HS256", **changes: Any) -> str:
    """A token like the good one, with claims changed; `None` takes one away."""
    given = {name: value for name, value in (GOOD | (claims or {}) | changes).items() if value is not None}
    return jwt.encode(given, key, alg)


def raw(header: Any, claims: Any, signature: bytes = b"x" * 32) -> str:
    def part(value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims)}.{part(signature)}"


def resigned(header: dict[str, Any], claims: Any = GOOD) -> str:
    """A token with a header of our choice and the right signature of HS256."""
    import hashlib
    import hmac

    head, body, _ = raw(header, claims).split(".")
    mac = hmac.digest(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def flipped(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
HS = {"alg": "HS256", "typ": "JWT"}
MALFORMED, NO_TOKEN, SIGNATURE, ALGORITHM = "malformed", "no JSON Web Token", "signature is wrong", "not for"

BAD: dict[str, tuple[Callable[[], str], str]] = {
    "alg none": (lambda: raw({"alg": "none"}, GOOD, b""), ALGORITHM),
    "alg None in odd case": (lambda: raw({"alg": "nOnE"}, GOOD, b""), ALGORITHM),
    "alg none with a signature": (lambda: raw({"alg": "none"}, GOOD), ALGORITHM),
    "no alg": (lambda: raw({"typ": "JWT"}, GOOD), ALGORITHM),
    "alg empty": (lambda: resigned({"alg": ""}), ALGORITHM),
    "alg a list": (lambda: resigned({"alg": ["HS256"]}), ALGORITHM),
    "alg HS384": (lambda: signed(alg="HS384", key=SECRET * 2), ALGORITHM),
    "alg HS512 with the right secret": (lambda: jwt.encode(GOOD, SECRET * 2, "HS512"), ALGORITHM),
    "alg RS256 while the key is a secret": (lambda: signed(key=RSA_KEY, alg="RS256"), ALGORITHM),
    "alg says ES256, signed with the secret": (lambda: resigned({"alg": "ES256"}), ALGORITHM),
    "another secret": (lambda: signed(key="another secret of many characters"), SIGNATURE),
    "the public key of somebody as the secret": (lambda: resigned_with(RSA_PUBLIC_PEM), SIGNATURE),
    "a flipped signature": (lambda: flipped(signed()), SIGNATURE),
    "no signature": (lambda: signed().rpartition(".")[0] + ".", SIGNATURE),
    "claims changed after signing": (lambda: swapped({"documents": {"*": "owner"}}), SIGNATURE),
    "an unknown critical header": (lambda: resigned(HS | {"crit": ["x"], "x": 1}), "malformed|no JSON"),
    "two parts": (lambda: signed().rpartition(".")[0], NO_TOKEN),
    "five parts, as if encrypted": (lambda: signed() + ".a.b", NO_TOKEN),
    "no token at all": (lambda: "hello", NO_TOKEN),
    "a header that is no JSON": (lambda: raw(b"{", GOOD), NO_TOKEN),
    "a header that is a list": (lambda: raw([], GOOD), NO_TOKEN),
    "claims that are a list": (lambda: resigned(HS, []), MALFORMED),
    "claims that are no JSON": (lambda: resigned(HS, b"{"), MALFORMED),
    "longer than any token": (lambda: signed(padding="x" * 9000), "too long"),
    "expired": (lambda: signed(exp=NOW - 60), "has expired"),
    "no exp": (lambda: signed(exp=None), "lacks exp"),
    "exp a word": (lambda: signed(exp="tomorrow"), MALFORMED),
    "exp a number in quotes": (lambda: signed(exp=str(NOW + 3600)), "no number"),
    "exp true": (lambda: resigned(HS, GOOD | {"exp": True}), "expired|no number"),
    "exp without end": (lambda: resigned(HS, json.dumps(GOOD | {"exp": float("inf")}).encode()), MALFORMED),
    "exp not a number": (lambda: resigned(HS, json.dumps(GOOD | {"exp": float("nan")}).encode()), MALFORMED),
    "nbf in the future": (lambda: signed(nbf=NOW + 3000), "not valid yet"),
    "iat in the future": (lambda: signed(iat=NOW + 3000), "not valid yet"),
    "no sub": (lambda: signed(sub=None), "lacks sub"),
    "sub empty": (lambda: signed(sub=""), "sub in the token"),
    "sub a number": (lambda: resigned(HS, GOOD | {"sub": 4711}), "whose it is"),
    "sub with NUL": (lambda: signed(sub="a\0b"), "sub in the token"),
    "sub without end": (lambda: signed(sub="x" * 2000), "sub in the token"),
    "no aud": (lambda: signed(aud=None), "lacks aud|somebody else"),
    "aud of another": (lambda: signed(aud="mail"), "for somebody else"),
    "aud like ours": (lambda: signed(aud="docs.evil.example"), "for somebody else"),
    "aud in another case": (lambda: signed(aud="DOCS"), "for somebody else"),
    "aud a list of others": (lambda: signed(aud=["mail", "chat"]), "for somebody else"),
    "aud a map": (lambda: resigned(HS, GOOD | {"aud": {"docs": True}}), "for somebody else"),
    "no iss": (lambda: signed(iss=None), "lacks iss|from somebody else"),
    "iss of another": (lambda: signed(iss="https://evil.example"), "from somebody else"),
    "name a number": (lambda: signed(name=5), "name in the token"),
    "admin a word": (lambda: signed(admin="true"), "admin in the token"),
    "admin a number": (lambda: signed(admin=1), "admin in the token"),
    "documents a word": (lambda: signed(documents="*"), "documents in the token"),
    "documents a list": (lambda: signed(documents=["a"]), "documents in the token"),
    "documents with a role that does not exist": (lambda: signed(documents={"a": "god"}), "role that does not exist"),
    "documents with a number as role": (lambda: signed(documents={"a": 4}), "role that does not exist"),
    "documents with a role in another case": (lambda: signed(documents={"a": "OWNER"}), "role that does not exist"),
    "documents with no name": (lambda: signed(documents={"": "owner"}), "a pattern is"),
    "documents with a name nothing can have": (lambda: signed(documents={"a b": "owner"}), "a pattern is"),
    "documents without end": (
        lambda: signed(documents={f"d{n}": "reader" for n in range(2000)}),
        "longer than any token",
    ),
}


def resigned_with(key: bytes) -> str:
    import hashlib
    import hmac

    head, body, _ = raw(HS, GOOD).split(".")
    mac = hmac.digest(key, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def swapped(changes: dict[str, Any]) -> str:
    head, _, signature = signed().split(".")
    body = raw(HS, GOOD | changes).split(".")[1]
    return f"{head}.{body}.{signature}"


def settings_of(directory: Path, **values: Any) -> Settings:
    chosen = {
        "auth": "jwt",
        "jwt_secret": SECRET,
        "jwt_audience": "docs",
        "jwt_issuer": "shop",
        "refused_tokens_per_minute_max": 10_000,
    }
    return make_settings(directory, **(chosen | values))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jwt")


@pytest.fixture
async def server(directory: Path) -> AsyncIterator[Running]:
    async with running(settings_of(directory)) as server:
        yield server


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 40


async def test_19_every_bad_token_is_refused_for_its_reason(server: Running) -> None:
    import re

    wrong = []
    for name, (make, reason) in BAD.items():
        response = await server.http.get("/api/documents/team%2Fplans", headers=bearer(make()))
        told = response.json()
        if response.status_code != 401 or re.search(reason, told["detail"]) is None:
            wrong.append(f"{name}: {response.status_code} {told['detail']}")
    assert wrong == []


async def test_19_a_bad_token_opens_no_socket(server: Running) -> None:
    for name in ("alg none", "another secret", "expired", "aud of another"):
        sent = await handshake(server, "/ws/team/plans", query=f"token={BAD[name][0]()}")
        assert problem_of(sent)["status"] == 401, name


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(),
        lambda: signed(aud=["docs", "mail"]),
        lambda: signed(exp=time.time() - 20),
        lambda: signed(nbf=time.time() + 20),
        lambda: signed(name=None),
        lambda: signed(admin=False),
        lambda: signed(documents={}),
    ],
)
async def test_a_good_token_counts(server: Running, token: Callable[[], str]) -> None:
    """Clocks may differ by 30 seconds."""
    me = (await server.http.get("/api/me", headers=bearer(token()))).json()
    assert me["person"]["id"] == "4711"


async def test_patterns_give_roles(server: Running) -> None:
    door = server.state["door"]
    visitor = await door._authority.identify(
        connection(signed(documents={"a*": "reader", "ab": "editor", "*b/c": "owner"}))
    )
    expected = {
        "a": Role.READER,
        "abc": Role.READER,
        "ab": Role.EDITOR,
        "b": None,
        "x/b/c": Role.OWNER,
        "ab/c": Role.OWNER,
    }
    found = {name: (await door._authority.standing(visitor, DocumentId(name))).role for name in expected}
    assert found == expected


def connection(token: str) -> Any:
    from starlette.requests import HTTPConnection

    return HTTPConnection({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})


async def test_a_document_comes_into_being_when_somebody_who_may_edit_it_connects(server: Running) -> None:
    reader, editor = signed(documents={"*": "reader"}), signed(documents={"*": "editor"})
    assert problem_of(await handshake(server, "/ws/new", query=f"token={reader}"))["status"] == 404
    assert (await handshake(server, "/ws/new", query=f"token={editor}"))[0]["type"] == "websocket.accept"
    assert (await handshake(server, "/ws/new", query=f"token={reader}"))[0]["type"] == "websocket.accept"


async def test_an_administrator_may_everything(server: Running) -> None:
    token = signed(documents=None, admin=True)
    assert (await server.http.get("/api/admin/audit", headers=bearer(token))).status_code == 200
    assert (await server.http.get("/api/admin/audit", headers=bearer(signed()))).status_code == 403
    created = await server.http.post("/api/documents", json={"id": "any/thing"}, headers=bearer(token))
    assert created.status_code == 201
    listed = await server.http.get("/api/documents", headers=bearer(signed(documents={"any/*": "reader"})))
    assert [(each["id"], each["role"]) for each in listed.json()["documents"]] == [("any/thing", "reader")]


async def test_21_two_tokens_are_one_too_many(server: Running) -> None:
    """Row 21: of two identities in one request, which one was checked?"""
    query, headers = f"token={signed()}", {"authorization": f"Bearer {signed(sub='other')}"}
    assert problem_of(await handshake(server, "/ws/team/plans", query=query, **headers))["status"] == 400
    twice = f"{query}&{query}"
    assert problem_of(await handshake(server, "/ws/team/plans", query=twice))["status"] == 400
    basic = await server.http.get("/api/documents", headers={"authorization": "Basic YTpi"})
    assert basic.status_code == 401


async def kept(server: Running, token: str, **headers: str) -> httpx.Response:
    origin = {"origin": "http://127.0.0.1:8000"}
    return await server.http.post("/api/sign-in/token", headers=bearer(token) | origin | headers)


async def test_a_browser_keeps_its_token_in_a_cookie_that_counts_as_long_as_the_token(server: Running) -> None:
    answer = await kept(server, signed(exp=time.time() + 600))
    assert (answer.status_code, answer.json()["person"]["id"]) == (200, "4711")
    cookie = answer.headers["set-cookie"]
    found = re.search(r"max-age=([0-9]+)", cookie, re.IGNORECASE)
    assert found is not None
    assert 590 <= int(found[1]) <= 600
    assert all(part in cookie.lower() for part in ("httponly", "samesite=lax", "path=/"))
    assert (await server.http.get("/api/documents/team%2Fplans")).status_code == 404, "it may, and there is none"
    own = {"cookie": cookie.partition(";")[0]}
    # Rule D5: a browser sends the cookie along with whatever page asks.
    for origin in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert problem_of(await handshake(server, "/ws/team/plans", **own, **origin))["code"] == "wrong-origin"
    post = await server.http.post("/api/documents", json={"id": "team/plans"}, headers={"origin": "null"})
    assert post.status_code == 403
    sent = await handshake(server, "/ws/team/plans", **own, origin="http://127.0.0.1:8000")
    assert sent[0]["type"] == "websocket.accept"
    assert (await server.http.post("/api/sign-out", headers={"origin": "http://127.0.0.1:8000"})).status_code == 204
    assert (await server.http.get("/api/me")).json()["person"] is None


@pytest.mark.parametrize("name", BAD)
async def test_19_a_bad_token_is_no_cookie(server: Running, name: str) -> None:
    token = BAD[name][0]()
    assert (await kept(server, token)).status_code == 401
    headers = {"cookie": f"coscribe-8000={token}"}
    me = await server.http.get("/api/me", headers=headers)
    assert (me.status_code, me.json()["person"]) == (200, None), "a page can ask who it is"
    assert (await server.http.get("/api/documents/team%2Fplans", headers=headers)).status_code == 401


async def test_only_a_token_that_fits_into_a_cookie_is_kept(server: Running) -> None:
    patterns = {f"{number}/{'x' * 200}": "reader" for number in range(20)}
    assert (await kept(server, signed(documents=patterns))).status_code == 413
    tokens = {"user": "robot", "documents": {"*": "reader"}}
    ours = await server.http.post("/api/admin/tokens", json=tokens, headers=bearer(signed(admin=True)))
    assert (await kept(server, ours.json()["token"])).status_code == 404
    elsewhere = await kept(server, signed(), host="docs.example.com", origin="http://docs.example.com")
    assert elsewhere.json()["code"] == "https-required"
    assert not any("set-cookie" in answer.headers for answer in (ours, elsewhere))


async def test_a_token_in_the_query_of_a_request_is_not_looked_at(server: Running) -> None:
    assert (await server.http.get(f"/api/documents?token={signed()}")).status_code in (400, 401)


async def test_a_secret_is_changed_without_a_gap(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, jwt_old_secret=OLD)) as server:
        for secret in (SECRET, OLD):
            assert (await server.http.get("/api/documents", headers=bearer(signed(key=secret)))).status_code == 200
    async with running(settings_of(tmp_path)) as server:
        assert (await server.http.get("/api/documents", headers=bearer(signed(key=OLD)))).status_code == 401


async def test_without_a_setting_an_audience_is_ours_or_nobodys(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, jwt_audience="", jwt_issuer="")) as server:

        async def status(**changes: Any) -> int:
            return (await server.http.get("/api/documents", headers=bearer(signed(**changes)))).status_code

        assert [await status(aud=aud) for aud in (None, "coscribe", ["x", "coscribe"])] == [200, 200, 200]
        assert [await status(aud=aud) for aud in ("docs", [], ["x"], 5 * "coscribe")] == [401, 401, 401, 401]


# -- key sets ---------------------------------------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "RS256": RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwk(kind: str, key: Any, **changes: Any) -> dict[str, Any]:
    maker: dict[str, Any] = {
        "RS256": jwt.algorithms.RSAAlgorithm,
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
    }
    entry: dict[str, Any] = json.loads(maker[kind].to_jwk(key.public_key()))
    return {name: value for name, value in (entry | {"kid": kind, "use": "sig"} | changes).items() if value is not None}


class Provider(httpx2.AsyncBaseTransport):
    """Where the keys are, without a network."""

    def __init__(self, keys: list[Any]) -> None:
        self.keys: Any = keys
        self.fetched = 0
        self.down = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.fetched += 1
        if self.down:
            raise httpx2.ConnectError("down")
        return httpx2.Response(200, json={"keys": self.keys})


def verifier(provider: Provider) -> JsonWebTokens:
    settings = Settings(auth="jwt", jwt_jwks_url="https://login.example/keys", jwt_audience="docs")
    none: Any = None
    return JsonWebTokens(settings, none, none, KeySet("https://login.example/keys", provider))


async def refused(tokens: JsonWebTokens, token: str) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        await tokens.verify(token)
    return str(caught.value)


def by_key(alg: str, key: Any = None, kid: str | None = "") -> str:
    headers = {} if kid is None else {"kid": kid or alg}
    return jwt.encode(GOOD, key or KEYS[alg], alg, headers=headers)


@pytest.mark.parametrize("alg", KEYS)
async def test_public_keys_of_every_kind(alg: str) -> None:
    tokens = verifier(Provider([jwk(each, key) for each, key in KEYS.items()]))
    assert (await tokens.verify(by_key(alg)))["sub"] == "4711"
    assert (await tokens.verify(by_key(alg, kid=None)))["sub"] == "4711", "there is one key of this kind"
    other = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}
    assert SIGNATURE in await refused(tokens, by_key(alg, other.get(alg, ed25519.Ed25519PrivateKey.generate())))


async def test_19_a_key_is_for_one_algorithm() -> None:
    tokens = verifier(Provider([jwk(each, key) for each, key in KEYS.items()]))
    assert ALGORITHM in await refused(tokens, jwt.encode(GOOD, RSA_KEY, "RS512", headers={"kid": "RS256"}))
    assert ALGORITHM in await refused(tokens, jwt.encode(GOOD, RSA_KEY, "PS256", headers={"kid": "RS256"}))
    assert ALGORITHM in await refused(tokens, by_key("ES256", kid="RS256"))
    head, body, _ = raw({"alg": "HS256", "kid": "RS256"}, GOOD).split(".")
    import hashlib
    import hmac

    mac = hmac.digest(RSA_PUBLIC_PEM, f"{head}.{body}".encode(), hashlib.sha256)
    confused = f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert ALGORITHM in await refused(tokens, confused)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_what_is_no_public_key_for_signatures_is_left_out() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY)) | {"kid": "private"}
    tokens = verifier(
        Provider(
            [
                None,
                {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "HS256"},
                jwk("RS256", weak, kid="weak"),
                jwk("RS256", RSA_KEY, kid="enc", use="enc"),
                jwk("RS256", RSA_KEY, kid="other-alg", alg="RS512"),
                private,
            ]
        )
    )
    assert SIGNATURE in await refused(tokens, jwt.encode(GOOD, SECRET, "HS256", headers={"kid": "HS256"}))
    for kid, key in (("weak", weak), ("enc", RSA_KEY), ("other-alg", RSA_KEY), ("private", RSA_KEY)):
        assert SIGNATURE in await refused(tokens, jwt.encode(GOOD, key, "RS256", headers={"kid": kid})), kid


async def test_keys_are_changed_while_the_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("web.key_set.time.monotonic", lambda: now[0])
    new = rsa.generate_private_key(65537, 2048)
    provider = Provider([jwk("RS256", RSA_KEY)])
    tokens = verifier(provider)
    await tokens.verify(by_key("RS256"))
    provider.keys = [jwk("RS256", new, kid="new")]
    fresh = by_key("RS256", new, kid="new")
    assert SIGNATURE in await refused(tokens, fresh), "it was fetched a moment ago"
    now[0] += 11
    assert (await tokens.verify(fresh))["sub"] == "4711"
    await refused(tokens, by_key("RS256"))
    fetched = provider.fetched
    for number in range(100):
        await refused(tokens, by_key("RS256", kid=f"made-up-{number}"))
    assert provider.fetched == fetched, "whoever makes key ids up costs no request"
    provider.down = True
    now[0] += 400
    assert (await tokens.verify(fresh))["sub"] == "4711", "the provider is away for a while"
    now[0] += 3600
    with pytest.raises(StoreUnavailable):
        await tokens.verify(fresh)


async def test_the_shared_secret_is_the_only_key_there_is() -> None:
    secrets = SharedSecrets(Settings(auth="jwt", jwt_secret=SecretStr(SECRET)))
    assert [key.algorithm for key in await secrets.candidates({"jwk": {}, "jku": "https://evil.example"})] == ["HS256"]
