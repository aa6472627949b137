"""REST and the command line: thinning a history out, purging a document, erasing a person; and that it is gone."""

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collab.history.thinning import Keep
from collab.types import Role, parse_document_id
from storage.audit_log import Actor
from tests.web.conftest import Running, make_settings, running
from tests.web.edits import text_update, two_edits
from tests.web.people import PLANS, Stage
from tests.web.test_api_documents import create, problem, url
from tests.web.test_api_updates import post
from tests.web.test_cli import _environment, _logging, done, refused, run
from web.history.sweeper import Sweeper
from web.times import DAY_MS

__all__ = ["_environment", "_logging"]

SECRET = "nobody must ever read this sentence again"
NAME = "Wilhelmina Vorderbrandner"
EMAIL = "wilhelmina@example.org"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage.open(tmp_path) as stage:
        yield stage


def raw(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.name.startswith("coscribe.db"))


async def act(http: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await http.post(f"/api/admin/{path}", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def actions(server: Running) -> list[str]:
    return [entry["action"] for entry in (await server.http.get("/api/admin/audit")).json()["entries"]][::-1]


async def test_pruning_tells_first_and_then_does(server: Running) -> None:
    http = server.http
    for update in two_edits():
        await post(http, "team/plans", update)
    path = "documents/team%2Fplans/prune"
    before = await act(http, path, older_than_days=0, to="none")
    assert (before["done"], before["through"], before["rows"], before["kept"]) == (False, 2, 1, 1)
    assert (await http.get(url("team/plans", "/content?at=1"))).text == "one "
    assert await act(http, path, older_than_days=0, to="none", dry_run=False) == before | {"done": True}
    gone = await http.get(url("team/plans", "/content?at=1"))
    assert problem(gone, 410)["code"] == "history-gone"
    assert (await http.get(url("team/plans", "/content?at=2"))).text == "one two"
    assert (await http.get(url("team/plans", "/content?at=0"))).text == ""
    assert (await http.get(url("team/plans", "/content"))).text == "one two"
    assert (await act(http, path, older_than_days=0, to="none", dry_run=False))["done"] is False
    assert (await act(http, path, older_than_days=1, to="daily"))["rows"] == 0
    assert (await actions(server)).count("history-pruned") == 1
    for body in ({"to": "daily"}, {"older_than_days": -1, "to": "none"}, {"older_than_days": 1, "to": "all"}):
        problem(await http.post(f"/api/admin/{path}", json=body), 400)
    problem(await http.post("/api/admin/documents/nothing/prune", json={"older_than_days": 0, "to": "none"}), 404)


async def test_the_feed_says_which_rows_stand_for_others_and_that_some_are_gone(server: Running) -> None:
    for update in two_edits():
        await post(server.http, "plans", update)
    await act(server.http, "documents/plans/prune", older_than_days=0, to="none", dry_run=False)
    await post(server.http, "plans", text_update("three"))
    page = (await server.http.get(url("plans", "/updates?after=0"))).json()
    assert [(row["seq"], row.get("first")) for row in page["updates"]] == [(2, 1), (3, None)]
    assert [row["seq"] for row in (await server.http.get(url("plans", "/updates?after=2"))).json()["updates"]] == [3]
    assert problem(await server.http.get(url("plans", "/updates?after=1")), 410)["code"] == "history-gone"


async def test_a_purged_document_is_gone_from_the_files_and_its_name_is_free(server: Running, tmp_path: Path) -> None:
    http = server.http
    await post(http, "plans", text_update(SECRET))
    assert problem(await http.post("/api/admin/documents/plans/purge", json={}), 409)["code"] == "not-in-bin"
    await http.delete(url("plans"))
    found = await act(http, "documents/plans/purge")
    assert (found["done"], found["rows"]) == (False, 1)
    assert SECRET.encode() in raw(tmp_path)
    assert (await act(http, "documents/plans/purge", dry_run=False))["done"] is True
    assert SECRET.encode() not in raw(tmp_path)
    assert "document-purged" in await actions(server)
    problem(await http.get(url("plans")), 404)
    problem(await http.post("/api/admin/documents/plans/purge", json={}), 404)
    await create(http, id="plans")
    assert (await http.get(url("plans", "/content"))).text == ""


async def test_an_erased_person_is_named_nowhere_and_what_they_wrote_stays(stage: Stage, tmp_path: Path) -> None:
    person = await stage.enter(NAME)
    account, database = person.account, stage.database
    await database.accounts.rename(account.pk, name=NAME, email=EMAIL)
    await database.sharing.give(PLANS, account.id, Role.EDITOR, Actor(account.id, NAME, "192.0.2.7"))
    headers = person.headers("cookie") | {"content-type": "application/octet-stream"}
    written = await stage.call(NAME, "POST", "/api/documents/{document}/updates", content=text_update("by her"),
                               headers=headers)  # fmt: skip
    assert written.status_code == 200
    await stage.server.state["recorder"].flush()
    assert all(word.encode() in raw(tmp_path) for word in (NAME, EMAIL, account.id))
    path = f"/api/admin/people/{account.id}/erase"
    told = (await stage.call("administrator", "POST", path)).json()
    assert (told["done"], told["name"], told["sign_ins"], told["tokens"]) == (False, NAME, 1, 1)
    assert told["audit_entries"] >= 2
    erased = (await stage.call("administrator", "POST", path, json={"dry_run": False})).json()
    assert erased["done"] is True
    for word in (NAME, EMAIL, account.id, "192.0.2.7"):
        assert word.encode() not in raw(tmp_path), word
    assert (await stage.call("administrator", "GET", "/api/documents/{document}/updates")).json()["updates"][0][
        "user"
    ] == erased["alias"]
    assert (await stage.call(NAME, "GET", "/api/documents/{document}")).status_code == 401
    again = await stage.call("administrator", "POST", path, json={"dry_run": False})
    assert again.status_code == 404
    # Who comes with the same id later is somebody else.
    keys = await database.history._people.intern([account.id, erased["alias"]])
    assert len(set(keys.values())) == 2


async def test_the_last_administrator_is_not_erased(stage: Stage) -> None:
    path = f"/api/admin/people/{stage.people['administrator'].account.id}/erase"
    assert (await stage.call("administrator", "POST", path, json={"dry_run": False})).status_code == 409
    assert (await stage.call("administrator", "GET", "/api/me")).json()["person"] is not None


async def test_what_became_old_enough_is_thinned_out_by_itself(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path, history_retention="daily", history_days=2)) as server:
        for update in two_edits():
            await post(server.http, "plans", update)
        database, history = server.state["database"], server.state["history"]
        now = database.now_ms()
        for days, thinned in ((0, 0), (1, 0), (4, 1), (5, 0)):
            sweeper = Sweeper(database, history, Keep.DAILY, 2, lambda days=days: now + days * DAY_MS)  # type: ignore[misc]
            assert await sweeper.sweep() == thinned
        assert [*await database.history.kept(parse_document_id("plans"))] == [2]


async def test_a_wipe_does_not_wait_for_ever_for_a_reader(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite._WIPE_PAUSE_SECONDS", 0.01)
    await post(server.http, "plans", text_update(SECRET))
    reader = sqlite3.connect(tmp_path / "coscribe.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM documents").fetchall()
    await server.http.delete(url("plans"))
    refused = await server.http.post("/api/admin/documents/plans/purge", json={"dry_run": False})
    assert problem(refused, 503)["code"] == "store-unavailable"
    await create(server.http, id="other")
    reader.close()
    assert (await server.http.post("/api/admin/wipe")).status_code == 204
    assert SECRET.encode() not in raw(tmp_path)


@pytest.fixture
def plans(tmp_path: Path) -> str:
    file = tmp_path / "plans.txt"
    file.write_text(SECRET)
    done("db", "upgrade")
    done("import", str(file), "--id", "plans", "--title", "Plans")
    return "plans"


def test_the_command_line_tells_asks_and_does(plans: str, tmp_path: Path) -> None:
    told = done("history", "prune", plans, "--older-than", "0d", "--to", "none", "--dry-run")
    assert told.startswith("0 edits of 1 documents go")
    unsure = run("history", "prune", plans, "--older-than", "0d", "--to", "none")
    assert (unsure.exit_code, "--yes" in unsure.stderr) == (1, True)
    assert "Done: 1 documents." in done("history", "prune", "--all", "--older-than", "0d", "--to", "none", "--yes")
    assert "0 documents" in done("history", "prune", "--all", "--older-than", "0d", "--to", "none", "--yes")
    assert "an age" in refused("history", "prune", plans, "--older-than", "never", "--to", "none")[0]
    assert "--all" in refused("history", "prune", "--older-than", "1d", "--to", "none")[0]
    assert "not in the bin" in refused("document", "purge", plans, "--yes")[0]
    done("document", "delete", plans)
    assert "1 edits" in done("document", "purge", plans, "--dry-run")
    assert json.loads(done("document", "list", "--json", "--deleted"))["id"] == plans
    assert "plans is gone." in done("document", "purge", plans, "--yes")
    assert refused("document", "show", plans)
    assert "nobody with this id" in refused("user", "erase", "somebody", "--yes")[0]


def test_exports_and_imports_of_the_command_line_are_in_the_audit_log(plans: str, tmp_path: Path) -> None:
    done("export", str(tmp_path / "out.md"), plans, "--at", "1")
    done("export", str(tmp_path / "out.zip"), "--all")
    done("import", str(tmp_path / "out.zip"), "--prefix", "again/")
    done("history", "restore", plans, "0")
    with sqlite3.connect(next(tmp_path.rglob("coscribe.db"))) as connection:
        rows = connection.execute("SELECT action, document, details FROM audit ORDER BY pk").fetchall()
    found = [(action, document, json.loads(details).get("format")) for action, document, details in rows]
    assert found == [
        ("document-imported", plans, "text"),
        ("document-exported", plans, "markdown"),
        ("document-exported", None, "archive"),
        ("import-ended", None, None),
        ("state-restored", plans, None),
    ]
