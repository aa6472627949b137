"""axe-core finds nothing to object to on any page, light or dark, wide or narrow."""

from typing import Any, Literal

import pytest

from tests.browser.conftest import Visit
from tests.browser.pages import DESKTOP, PHONE, Person
from tests.browser.test_bundle import CLIENT, install_client
from tests.servers import ServerProcess

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

_RUN = """async () => (await axe.run()).violations.map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html)}`)"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    install_client()
    return (CLIENT / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(person: Person, axe: str) -> list[str]:
    # Through the debugger: the policy of the page lets no script in.
    session = await person.context.new_cdp_session(person.page)
    await session.send("Runtime.evaluate", {"expression": axe})
    found: list[str] = await person.page.evaluate(_RUN)
    return found


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_shuts_anybody_out(
    axe: str,
    visit: Visit,
    server: ServerProcess,
    document: str,
    screen: dict[str, Any],
    scheme: Literal["light", "dark"],
) -> None:
    ada = await visit(server, **(screen | {"color_scheme": scheme}))
    ben = await visit(server)
    await ada.open(document)
    assert await violations(ada, axe) == []
    await ada.write("# Title\nText with `code`\n> and a quote")
    await ben.open(document)
    await ben.write(" of another")
    await ada.caret_label.wait_for(state="attached")
    await ada.state_is("saved")
    assert await violations(ada, axe) == []
    await ada.page.get_by_test_id("presence").get_by_role("button").click()
    await ada.page.get_by_label("How others see you").wait_for()
    assert await violations(ada, axe) == []
    await ada.page.goto(server.url)
    await ada.page.get_by_role("listitem").first.wait_for()
    assert await violations(ada, axe) == []
