"""People from elsewhere: by an OpenID provider's word, or with a token of the product that Coscribe stands behind."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import pytest
from playwright.async_api import expect

from tests.browser.accounts import CHEAP, House, allow, call
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE
from tests.local_site import Answer, Asked, local_site
from tests.openid import Provider
from tests.servers import ServerProcess, StartServer

pytestmark = [pytest.mark.xdist_group("browser-accounts"), pytest.mark.timeout(120)]

SECRET = "s" * 40
TRACES = """async () => [
    ...Object.entries(localStorage), ...Object.entries(sessionStorage), document.cookie, location.href,
    JSON.stringify(history.state),
].join(' ')"""
"""What a page keeps, and scripts can read."""


class Product:
    """Signs people in, and sends them to Coscribe with a token."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "4711", "name": "Ann", "documents": {"team/*": "editor"}}
        self.seconds = 600.0
        self.visits = 0

    def token(self, **claims: Any) -> str:
        return jwt.encode({"exp": time.time() + self.seconds} | self.person | claims, SECRET, "HS256")

    def answer(self, asked: Asked) -> Answer:
        if asked.path != "/login":
            return Answer(404)
        self.visits += 1
        return Answer(302, headers={"location": f"{asked.query['next']}#token={self.token()}"})


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def product_url(product: Product) -> Iterator[str]:
    with local_site(product.answer) as url:
        yield url


@pytest.fixture
def behind(product_url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that stands behind the product."""
    settings: dict[str, Any] = {"auth": "jwt", "jwt_secret": SECRET, "jwt_login_url": f"{product_url}/login"}
    with ServerProcess(tmp_path / "behind", **settings) as server:
        yield server


async def test_the_button_of_single_sign_on_leads_out_and_back(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    provider = Provider()
    with local_site(provider.answer) as issuer:
        provider.issuer = issuer
        oidc = {"oidc_issuer": issuer, "oidc_client_id": "coscribe", "oidc_label": "Example"}
        server = await asyncio.to_thread(start_server, **CHEAP, **oidc)
        house = await House.of(server, visit)
        # A name with everything that names may hold: it goes there and back in addresses.
        await house.document(document := f"{document}/a~b:c", "By single sign-on")
        invited = await house.enter("Ben")
        await house.give(document, invited, "editor")
        await call(invited, "PATCH", "me", {"email": "ben@example.com"})
        provider.claims = {"email": "ben@example.com", "email_verified": True}

        ben = await visit(server, **PHONE)
        await ben.page.goto(f"{server.url}/d/{document}")
        await ben.page.get_by_role("link", name="Sign in with Example").click()
        await ben.page.get_by_role("link", name="Go on").click()
        await ben.editor.wait_for()
        assert ben.page.url == f"{server.url}/d/{document}"
        assert await ben.name() == "Ben"
        await ben.write("by way of Example")
        await ben.state_is("saved")

        stranger = await visit(server)
        provider.claims = {"sub": "4712", "email": "nobody@example.com", "email_verified": True}
        await stranger.page.goto(f"{server.url}/sign-in")
        await stranger.page.get_by_role("link", name="Sign in with Example").click()
        await stranger.page.get_by_role("link", name="Go on").click()
        await expect(stranger.page.get_by_role("alert")).to_contain_text("have no account here")
        # The provider is gone for whoever presses now: it has said once how to use it, and gives no token.
        provider.claims = {"aud": "another"}
        await stranger.page.get_by_role("link", name="Sign in with Example").click()
        await stranger.page.get_by_role("link", name="Go on").click()
        await expect(stranger.page.get_by_role("alert")).to_contain_text("did not work")
        allow(ben, 401)


async def test_a_product_sends_people_into_a_document_and_gets_them_back(
    behind: ServerProcess, product: Product, visit: Visit
) -> None:
    ann = await visit(behind)
    seen: list[str] = []
    ann.page.on("request", lambda request: seen.append(request.url))
    await ann.page.goto(f"{behind.url}/d/team/plans")
    await ann.editor.wait_for()
    assert (ann.page.url, product.visits) == (f"{behind.url}/d/team/plans", 1)
    assert await ann.name() == "Ann"
    await ann.write("behind the product")
    await ann.state_is("saved")
    token = (await ann.context.cookies())[0]["value"]
    assert token.count(".") == 2
    assert token not in await ann.page.evaluate(TRACES), "no script finds the token"
    # A browser sends no fragment, and the app puts the token into no address.
    assert not any(token in unquote(url) for url in seen)
    assert behind.url in "".join(seen)

    await ann.page.reload()
    await ann.shows("behind the product")
    assert product.visits == 1, "the cookie is enough"
    await ann.page.get_by_role("link", name="All documents").click()
    await expect(ann.page.get_by_role("link", name="plans")).to_be_visible()

    await ann.page.goto(f"{behind.url}/d/another/place")
    await expect(ann.page.get_by_text("you are signed in as Ann")).to_be_visible()
    # The document was not there before somebody who may edit it connected.
    allow(ann, 401, 403, 404)

    await ann.page.get_by_test_id("presence").get_by_role("button").last.click()
    await ann.page.get_by_role("button", name="Sign out").click()
    await expect(ann.page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert await ann.context.cookies() == []
    assert product.visits == 1, "whoever signs out is not signed in again"
    await ann.page.get_by_role("link", name="Sign in there").click()
    await expect(ann.page.get_by_role("heading", name="Coscribe")).to_be_visible()
    assert product.visits == 2


async def test_a_token_that_does_not_count_says_why_and_leads_in_no_circle(
    behind: ServerProcess, product: Product, visit: Visit
) -> None:
    ann = await visit(behind)
    product.seconds = -120
    for path in ("/", "/d/team/plans"):
        product.visits = 0
        await ann.page.goto(behind.url + path)
        await expect(ann.page.get_by_text("The token has expired.")).to_be_visible()
        assert (product.visits, ann.page.url) == (1, behind.url + path)
    product.seconds = 600
    product.person["documents"] = {f"team/{'x' * 200}/{number}": "reader" for number in range(20)}
    await ann.page.goto(f"{behind.url}/")
    await expect(ann.page.get_by_text(re.compile("no token of more than"))).to_be_visible()
    allow(ann, 401, 413)


async def test_edits_made_after_a_token_has_expired_wait_for_the_next(
    behind: ServerProcess, product: Product, visit: Visit
) -> None:
    """A page in which somebody writes is never led away from; what they wrote is there when they are back."""
    ann = await visit(behind)
    product.seconds = 6
    await ann.open("team/late")
    await ann.write("in time")
    await ann.state_is("saved")
    await expect(ann.page.get_by_role("heading", name="You are signed out")).to_be_visible(timeout=15_000)
    assert ann.page.url == f"{behind.url}/d/team/late"
    product.seconds = 600
    await ann.page.get_by_role("link", name="Sign in").click()
    await ann.shows("in time")
    await ann.write(", and after")
    await ann.state_is("saved")

    # Another person in the same browser finds nothing of it on the device before the server has answered.
    product.person = {"sub": "4712", "name": "Ben", "documents": {"other": "editor"}}
    await ann.page.goto(f"{behind.url}/d/team/late#token={product.token()}")
    await expect(ann.page.get_by_text("you are signed in as Ben")).to_be_visible()
    await expect(ann.editor).to_have_count(0)
    allow(ann, 401, 403, 404)
