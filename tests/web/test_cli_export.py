"""`coscribe export` and `coscribe import`: what they write and read, and code 0 only when it was done."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.web.test_cli import _environment, _logging, create, done, refused, run

__all__ = ["_environment", "_logging"]


@pytest.fixture
def markdown(tmp_path: Path) -> Path:
    file = tmp_path / "plans.md"
    file.write_text("# Plans\n\n- [x] write\n- [ ] read\n")
    return file


@pytest.fixture
def plans(markdown: Path) -> str:
    done("db", "upgrade")
    assert done("import", str(markdown), "--id", "plans", "--title", "Plans for May") == "plans\n"
    return "plans"


@pytest.mark.parametrize("suffix", ["md", "html", "json", "docx", "yjs"])
def test_a_document_goes_out_and_comes_in_again(plans: str, markdown: Path, tmp_path: Path, suffix: str) -> None:
    file, back = tmp_path / f"out.{suffix}", tmp_path / "back.md"
    assert f"{file}: plans as " in done("export", str(file), plans)
    done("import", str(file), "--id", "copy")
    done("export", str(back), "copy")
    assert back.read_text() == markdown.read_text()


def test_a_past_state(plans: str, tmp_path: Path) -> None:
    done("export", str(tmp_path / "then.txt"), plans, "--at", "0")
    assert (tmp_path / "then.txt").read_text() == ""
    assert "history reaches" in refused("export", str(tmp_path / "later.txt"), plans, "--at", "9")[0]
    assert not (tmp_path / "later.txt").exists()


def test_everything_goes_into_an_archive_and_comes_out_of_it(
    plans: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all.zip"
    create("empty")
    done("document", "delete", "empty")
    assert done("export", str(file), "--all") == f"{file}: 2 documents, 1 updates, 0 images.\n"
    with zipfile.ZipFile(file) as archive:
        assert archive.read("documents/000001/content.md").startswith(b"# Plans")
    assert file.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("COSCRIBE_DATA_DIR", str(tmp_path / "elsewhere"))
    done("db", "upgrade")
    assert "2 documents, 1 updates, 0 images; 0 documents were here already" in done("import", str(file))
    assert "2 documents were here already" in done("import", str(file))
    listed = json.loads(done("document", "list", "--json"))
    assert (listed["id"], listed["title"], listed["head"]) == (plans, "Plans for May", 1)
    assert json.loads(done("document", "list", "--json", "--deleted"))["id"] == "empty"
    done("import", str(file), "--prefix", "again/")
    assert json.loads(done("document", "show", "again/plans"))["head"] == 1


def test_a_damaged_archive_is_refused_and_the_file_in_it_named(plans: str, tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    done("export", str(file), plans)
    data = bytearray(file.read_bytes())
    data[data.find(b"documents/000001/state.yjs") + 40] ^= 1
    file.write_bytes(data)
    assert "documents/000001/state.yjs" in refused("import", str(file), "--prefix", "x/")[0]
    assert run("document", "show", "x/plans").exit_code == 1


def test_names_that_belong_to_other_documents_are_refused_before_anything_is_stored(
    plans: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all.zip"
    create("zebra")
    done("export", str(file), "--all")
    monkeypatch.setenv("COSCRIBE_DATA_DIR", str(tmp_path / "elsewhere"))
    create("zebra")
    assert "belong to other documents here: zebra" in refused("import", str(file))[0]
    assert run("document", "show", plans).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "{tmp}/x.md"], "name documents, or ask for --all"),
        (["export", "{tmp}/x.md", "a", "b"], "is for one document"),
        (["export", "{tmp}/x.md", "--all"], "is for one document"),
        (["export", "{tmp}/x.pdf", "plans"], "format is one of"),
        (["export", "{tmp}/x.zip", "plans", "--at", "1"], "whole history"),
        (["export", "{tmp}/x.md", "nothing"], "there is no document nothing"),
        (["export", "{tmp}/x.zip", "nothing"], "there is no document nothing"),
        (["export", "{tmp}/plans.md", "plans"], "exists already"),
        (["import", "{tmp}/plans.md", "--id", "plans"], "exists already"),
        (["import", "{tmp}/plans.md", "--id", "a b"], "a document name is"),
        (["import", "{tmp}/plans.md", "--format", "docx"], "no ZIP file"),
        (["import", "{tmp}/plans.md", "--format", "archive"], "no ZIP file"),
        (["import", "{tmp}/plans.md", "--format", "odt"], "format is one of"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(plans: str, tmp_path: Path, arguments: list[str], says: str) -> None:
    before = sorted(tmp_path.iterdir())
    lines = refused(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert len(lines) == 1
    assert says in lines[0]
    assert sorted(tmp_path.iterdir()) == before
