"""`coscribe import --from`: what it says, and code 0 only when everything of a store came in."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from tests.moving.old_servers import run_script
from tests.moving.pycrdt_server import store_of
from tests.moving.test_damage import hocuspocus_database
from tests.moving.test_stores import WORDS, fill, history, made_of, ysweet
from tests.web.test_cli import _environment, _logging, done, refused, run

__all__ = ["_environment", "_logging"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    file = tmp_path / "db.sqlite"
    hocuspocus_database(file, [(name, made_of(history(WORDS)).get_update()) for name in ("plans", "Meeting notes")])
    done("db", "upgrade")
    return file


def test_it_says_what_came_in_and_how_it_is_called(store: Path) -> None:
    said = [
        "'Meeting notes' is called Meeting~20notes here.",
        f"{store}: 2 documents, 2 updates; 0 were here already, 0 of them with something new.",
    ]
    assert done("import", "--from", "hocuspocus-sqlite", str(store), "--dry-run").splitlines() == [
        *said,
        "Nothing was stored.",
    ]
    assert done("document", "list", "--json") == ""
    assert done("import", "--from", "hocuspocus-sqlite", str(store)).splitlines() == said
    assert "0 documents, 0 updates; 2 were here" in done("import", "--from", "hocuspocus-sqlite", str(store))
    assert '"title": "Meeting notes"' in done("document", "show", "Meeting~20notes")
    assert "Hocuspocus" in done("history", "list", "plans")


def test_what_could_not_be_read_is_named_and_the_code_is_1(store: Path) -> None:
    hocuspocus_database(store, [("broken", b"\x01"), ("a\nb", b"\x01")])
    result = run("import", "--from", "hocuspocus-sqlite", str(store))
    assert result.exit_code == 1
    assert "2 documents, 2 updates" in result.stdout
    assert [line.partition(": update")[0] for line in result.stderr.splitlines()] == [
        "coscribe: 'broken'",
        "coscribe: 'a\\nb'",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "y-leveldb", "{store}"], "it has no file CURRENT"),
        (["--from", "ystore-sqlite", "{store}"], "has no table yupdates"),
        (["--from", "hocuspocus-sqlite", "{store}", "--id", "x"], "are for one file"),
        (["{store}", "--dry-run", "--format", "yjs"], "go with --from"),
        (["{store}/.."], "is a directory"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(store: Path, arguments: list[str], says: str) -> None:
    where = str(store.parent) if arguments == ["{store}/.."] else str(store)
    lines = refused(
        "import", *(argument.replace("{store}/..", where).replace("{store}", where) for argument in arguments)
    )
    assert len(lines) == 1
    assert says in lines[0]


GUIDES = Path(__file__).parents[2] / "docs"


def make_store(kind: str, path: Path) -> None:
    updates = history(WORDS)
    match kind:
        case "hocuspocus-sqlite":
            hocuspocus_database(path, [("plans", made_of(updates).get_update())])
        case "y-leveldb":
            run_script("leveldb.mjs", str(path), "4194304")
        case "y-sweet":
            (path / "plans").mkdir(parents=True)
            (path / "plans" / "data.ysweet").write_bytes(ysweet(updates))
        case "files":
            path.mkdir()
            (path / "plans.yjs").write_bytes(made_of(updates).get_update())
        case _:
            asyncio.run(fill(store_of(kind, path, "plans"), updates))


@pytest.mark.parametrize("guide", [path.name for path in sorted(GUIDES.glob("coming-from-*.md"))])
def test_what_the_guides_say_of_your_data_works(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (GUIDES / guide).read_text().partition("## Your data\n")[2]
    commands = re.findall(r"^coscribe (import .*)$", section, re.MULTILINE)
    assert commands
    monkeypatch.chdir(tmp_path)
    done("db", "upgrade")
    for number, command in enumerate(commands):
        arguments = shlex.split(command, comments=True)
        kind, path = arguments[2], Path(arguments[3])
        if not path.exists():
            make_store(kind, path)
        said = done(*arguments, "--prefix", f"{number}/")
        assert re.search(r": [1-9]\d* documents, [1-9]\d* updates;", said), said
