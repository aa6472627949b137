"""`coscribe history`: what it prints, and that code 0 means it was done."""

import asyncio
import json
from pathlib import Path

import pytest
from pycrdt import Text, XmlElement, XmlFragment, XmlText

from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.engine import Database
from storage.schema import upgrade
from tests.e2e.replica import new_doc
from tests.web.edits import text_of
from tests.web.test_cli import RUNNER, _environment, _logging, done, run
from web.cli import app

__all__ = ["_environment", "_logging"]

PLANS = DocumentId("plans")


@pytest.fixture(autouse=True)
def _written(tmp_path: Path, _environment: None) -> None:
    """Three edits by two people."""
    (tmp_path / "data").mkdir()
    asyncio.run(_write(f"sqlite+aiosqlite:///{tmp_path}/data/coscribe.db"))


async def _write(url: str) -> None:
    await upgrade(url)
    ann, bob = new_doc(), new_doc()
    ann.get("text", type=Text).insert(0, "Hello [b]world[/b]")
    updates = [NewUpdate("ann", ann.get_update())]
    bob.apply_update(updates[0].payload)
    text = bob.get("text", type=Text)
    before = bob.get_state()
    del text[0:5]
    updates.append(NewUpdate("bob", bob.get_update(before)))
    before = bob.get_state()
    text.insert(0, "Goodbye")
    updates.append(NewUpdate("bob", bob.get_update(before)))
    async with await Database.open(url) as database:
        await database.log.load(PLANS, create=True)
        await database.log.append([Append(PLANS, tuple(updates))])
        await database.history.add_version(PLANS, seq=Seq(1), name="Draft [b]", user_id="ann")


def test_the_story_is_a_table_or_json() -> None:
    table = done("history", "list", "plans")
    assert "wrote 7, removed 5 characters" in table
    assert "named “Draft [b]”" in table
    lines = [json.loads(line) for line in done("history", "list", "plans", "--json").splitlines()]
    assert [(line["kind"], line["user"]) for line in lines] == [
        ("session", "bob"),
        ("version", "ann"),
        ("session", "ann"),
    ]
    mine = done("history", "list", "plans", "--json", "--user", "bob", "--since", "2001-01-01", "--limit", "5")
    assert [json.loads(line)["user"] for line in mine.splitlines()] == ["bob"]


def test_a_past_state_is_shown_as_text_or_yjs() -> None:
    assert done("history", "show", "plans", "1") == "Hello [b]world[/b]\n"
    shown = RUNNER.invoke(app, ["history", "show", "plans", "2", "--format", "yjs"])
    assert text_of(shown.stdout_bytes) == " [b]world[/b]"


def test_a_diff_marks_what_changed() -> None:
    assert done("history", "diff", "plans", "1", "3") == "text (text)\n  [-Hello-]{+Goodbye+} [b]world[/b]\n"
    assert done("history", "diff", "plans", "2", "2") == "Nothing has changed.\n"
    assert json.loads(done("history", "diff", "plans", "1", "3", "--json"))["to"] == 3
    assert '<ins title="added by bob">Goodbye</ins>' in done("history", "diff", "plans", "1", "3", "--html")
    assert run("history", "diff", "plans", "1", "3", "--html", "--json").exit_code == 1


def test_blame_names_authors() -> None:
    assert done("history", "blame", "plans").splitlines() == [
        "text (text)",
        "  [bob: Goodbye][ann:  [b]world[/b]]",
        "bob",
        "ann",
    ]
    assert json.loads(done("history", "blame", "plans", "--at", "1", "--json"))["authors"][0]["user"] == "ann"


def test_a_restore_is_a_new_edit() -> None:
    assert done("history", "restore", "plans", "1", "--as", "cem") == "plans is as it was at 1, by edit 4.\n"
    assert done("history", "restore", "plans", "1") == "plans is as it was at 1 already.\n"
    assert done("history", "show", "plans", "4") == "Hello [b]world[/b]\n"
    assert done("history", "show", "plans", "3") == "Goodbye [b]world[/b]\n"
    newest = json.loads(done("history", "list", "plans", "--json").splitlines()[0])
    assert (newest["kind"], newest["user"], newest["seq"], newest["row"]) == ("restore", "cem", 1, 4)
    assert {author["user"] for author in json.loads(done("history", "blame", "plans", "--json"))["authors"]} == {"ann"}


def test_one_item_of_a_list_is_restored_by_the_id_that_blame_shows(tmp_path: Path) -> None:
    asyncio.run(_write_list(f"sqlite+aiosqlite:///{tmp_path}/data/coscribe.db"))
    lines = done("history", "blame", "list", "--at", "1", "--ids").splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["default", "<bulletList>", "<listItem>", "<paragraph>"]
    block = lines[2].split()[1]
    assert (
        done("history", "restore", "list", "1", "--block", block)
        == f"block {block} of list is as it was at 1, by edit 3.\n"
    )
    assert done("history", "show", "list", "3") == "one\nnot two\n"
    assert (
        done("history", "restore", "list", "1", "--block", block)
        == f"block {block} of list is as it was at 1 already.\n"
    )


async def _write_list(url: str) -> None:
    doc = new_doc()
    blocks = doc.get("default", type=XmlFragment).children
    items = [XmlElement("listItem", {}, [XmlElement("paragraph", {}, [XmlText(words)])]) for words in ("one", "two")]
    blocks.append(XmlElement("bulletList", {}, items))
    updates = [NewUpdate("ann", doc.get_update())]
    before = doc.get_state()
    for item in blocks[0].children:
        item.children[0].children[0].insert(0, "not ")
    updates.append(NewUpdate("ann", doc.get_update(before)))
    async with await Database.open(url) as database:
        await database.log.load(DocumentId("list"), create=True)
        await database.log.append([Append(DocumentId("list"), tuple(updates))])


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "plans", "4"),
        ("show", "missing", "0"),
        ("show", "bad name", "0"),
        ("diff", "plans", "1", "9"),
        ("blame", "plans", "--at", "9"),
        ("restore", "plans", "9"),
        ("restore", "plans", "1", "--block", "1:1"),
        ("restore", "plans", "1", "--root", "nothing"),
        ("restore", "plans", "1", "--root", "text", "--block", "1:1"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_ends_with_code_1_and_a_line_that_says_so(arguments: tuple[str, ...]) -> None:
    result = run("history", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("coscribe: ")
