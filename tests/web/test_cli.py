"""The command line: what it says, and that code 0 means it was done. How `serve` ends under load is in tests/e2e."""

import asyncio
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import jwt
import pytest
import structlog
import typer.main
from typer.testing import CliRunner, Result

from collab.types import parse_document_id
from storage.engine import Database
from tests.servers import secrets_in
from web.cli import app
from web.settings import ENV_PREFIX, Settings

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COSCRIBE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COSCRIBE_AUTH", "none")
    monkeypatch.setenv("COSCRIBE_PORT", "0")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """What a command sets up for its process must not outlive the test."""
    root, storage = logging.getLogger(), logging.getLogger("storage")
    before = (root.handlers[:], root.level, storage.level)
    yield
    root.handlers[:], root.level, storage.level = before
    structlog.reset_defaults()


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, arguments)


def done(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> list[str]:
    """Lines on stderr of a command that must end with code 1, and print nothing else."""
    if arguments[0] == "serve":  # in a process of its own: should it start after all, it would not end
        process = subprocess.run(
            [sys.executable, "-m", "web", *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        code, stdout, stderr = process.returncode, process.stdout, process.stderr
    else:
        result = run(*arguments)
        code, stdout, stderr = result.exit_code, result.stdout, result.stderr
    assert (code, stdout) == (1, ""), stderr
    lines = [line for line in stderr.splitlines() if '"level": "warning"' not in line]
    assert all(line.startswith("coscribe: ") for line in lines)
    return lines


def create(*names: str) -> None:
    async def work() -> None:
        async with await Database.open(Settings().database_url) as database:
            for name in names:
                await database.documents.create(parse_document_id(name), f"Title of {name}")

    done("db", "upgrade")
    asyncio.run(work())


@contextmanager
def serving(*options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The real server as a process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "web", "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"Coscribe is ready on (http://\S+)\n", line)
        assert found, line + process.communicate(timeout=20)[1]
        yield process, found[1]
    finally:
        process.kill()
        assert not secrets_in("".join(process.communicate(timeout=20)))


def commands() -> list[list[str]]:
    found: list[list[str]] = []

    def walk(command: object, path: list[str]) -> None:
        found.append(path)
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*path, name])

    walk(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    text = done(*command, "--help")
    assert "Usage:" in text
    assert len(text.splitlines()) > 4


def test_serve_has_an_option_for_every_setting() -> None:
    text = done("serve", "--help")
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text


def test_the_version_is_that_of_the_distribution() -> None:
    assert done("--version") == f"coscribe {version('coscribe')}\n"


def test_an_unknown_command_or_option_is_refused() -> None:
    for arguments in (["serfe"], ["serve", "--prot", "1"], ["document", "vanish", "x"]):
        assert run(*arguments).exit_code == 2


def test_serve_says_what_checking_tokens_needs() -> None:
    (line,) = refused("serve", "--auth", "jwt")
    assert line == "coscribe: AUTH=jwt needs either JWT_SECRET or JWT_JWKS_URL, and not both"


def test_serve_names_every_fault_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_LOG_LEVEL", "loud")
    lines = refused("serve", "--port", "http", "--host", "0.0.0.0")
    assert sorted(re.findall(r"COSCRIBE_[A-Z_]+(?=:)", "\n".join(lines))) == [
        "COSCRIBE_AUTH_NONE_ON_NETWORK",
        "COSCRIBE_LOG_LEVEL",
        "COSCRIBE_PORT",
    ]


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (line,) = refused("serve", "--port", str(port))
    assert str(port) in line
    assert "in use" in line


def test_an_unknown_host_is_one_clear_line() -> None:
    (line,) = refused("serve", "--host", "192.0.2.1", "--auth-none-on-network")
    assert "192.0.2.1" in line


def test_a_data_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = refused("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert f"the data directory {tmp_path / 'file' / 'data'} cannot be written" in line


def test_a_directory_that_only_the_database_url_names_is_not_made(tmp_path: Path) -> None:
    (line,) = refused("serve", "--database-url", f"sqlite+aiosqlite:///{tmp_path}/mistyped/x.db")
    assert "mistyped" in line
    assert not (tmp_path / "mistyped").exists()


def test_an_unreachable_database_is_one_clear_line_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    (line,) = refused("serve", "--database-url", f"postgresql+asyncpg://somebody:swordfish@127.0.0.1:{port}/coscribe")
    assert "cannot use the database: PostgreSQL database coscribe at 127.0.0.1" in line
    assert "swordfish" not in line


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    create("plans")
    with sqlite3.connect(tmp_path / "data" / "coscribe.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from the future'")
    connection.close()
    for command in (["serve"], ["db", "upgrade"], ["document", "list"], ["document", "delete", "plans"]):
        assert "a newer version of Coscribe" in refused(*command)[-1]
    assert "failed" in run("doctor").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_serve_makes_what_it_needs_prints_its_address_and_ends_with_code_0(number: signal.Signals) -> None:
    with serving() as (process, url):
        assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
        process.send_signal(number)
        rest, log = process.communicate(timeout=20)
        assert process.returncode == 0
        assert rest == ""
        events = [json.loads(line) for line in log.splitlines()]
        assert {"stopping", "stopped"} <= {event["event"] for event in events}
        assert {"event", "level", "timestamp"} <= set(events[-1])


def test_the_log_has_neither_query_strings_nor_content(tmp_path: Path) -> None:
    with serving("--log-level", "debug") as (process, url):
        address = url.removeprefix("http://")
        httpx.post(f"{url}/api/documents", json={"id": "plans", "title": "title-swordfish"})
        httpx.get(f"{url}/api/documents?token=query-swordfish")
        httpx.get(f"{url}/api/documents/plans/content", headers={"authorization": "Bearer header-swordfish"})
        host, port = address.split(":")
        for path in ("/ws/plans?token=socket-swordfish", "/nothing?token=socket-swordfish"):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmVoZWFyc2FsLTEyMzQ1Ng==\r\n\r\n".encode()
                )
                assert connection.recv(1024).startswith((b"HTTP/1.1 101", b"HTTP/1.1 404"))
                connection.sendall(b"\x82\x80garbage-swordfish")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"swordfish\r\n\r\n")
            assert connection.recv(1024).startswith(b"HTTP/1.1 400")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert "swordfish" not in log
    assert not {"error", "critical"} & {json.loads(line)["level"] for line in log.splitlines()}


def test_a_second_server_on_the_same_file_is_refused_and_reading_is_not() -> None:
    with serving() as (_, url):
        httpx.post(f"{url}/api/documents", json={"id": "plans"})
        assert "another Coscribe process" in refused("document", "delete", "plans")[-1]
        assert "plans" in done("document", "list")
        done("db", "upgrade")
        second = subprocess.run([sys.executable, "-m", "web", "serve"], capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert "another Coscribe process" in second.stderr.splitlines()[-1]
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_upgrade_makes_the_schema_and_may_be_repeated(tmp_path: Path) -> None:
    assert "up to date" in done("db", "upgrade")
    assert "up to date" in done("db", "upgrade")
    assert (tmp_path / "data" / "coscribe.db").exists()


def test_documents_are_listed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.cli._PAGE", 2)
    create("b", "a/1", "c", "d", "e")
    listed = [json.loads(line) for line in done("document", "list", "--json").splitlines()]
    assert [document["id"] for document in listed] == ["a/1", "b", "c", "d", "e"]
    assert listed[0]["title"] == "Title of a/1"
    table = done("document", "list")
    assert all(text in table for text in ("a/1", "Title of e"))
    assert json.loads(done("document", "list", "--json", "--query", "of D"))["id"] == "d"


def test_a_document_goes_into_the_bin_and_comes_back() -> None:
    create("plans")
    assert json.loads(done("document", "show", "plans"))["deleted_at"] is None
    done("document", "delete", "plans")
    assert done("document", "list", "--json") == ""
    assert json.loads(done("document", "list", "--json", "--deleted"))["id"] == "plans"
    assert json.loads(done("document", "show", "plans"))["deleted_at"] is not None
    done("document", "restore", "plans")
    assert json.loads(done("document", "list", "--json"))["id"] == "plans"


@pytest.mark.parametrize("command", ["show", "delete", "restore"])
def test_a_document_that_does_not_exist_is_refused(command: str) -> None:
    create("plans")
    assert refused("document", command, "nothing") == ["coscribe: there is no document nothing"]
    assert "a document name is" in refused("document", command, "a b")[0]


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["delete", "x"], ["restore", "x"]])
def test_without_a_database_there_is_nothing_to_do(command: list[str]) -> None:
    assert len(refused("document", *command)) == 1


def test_the_doctor_finds_nothing_wrong_where_nothing_is() -> None:
    before = done("doctor")
    assert "failed" not in before
    create("plans")
    assert "its schema is current" in " ".join(done("doctor").split())


def test_the_doctor_names_what_keeps_the_server_from_starting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COSCRIBE_DATA_DIR", str(tmp_path / "file" / "data"))
    result = run("doctor")
    assert result.exit_code == 1
    assert "failed" in result.stdout


def test_the_doctor_finds_a_uvicorn_that_keeps_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.doctor.check_uvicorn", lambda: "it was changed")
    assert "it was changed" in done("doctor")


def test_a_backup_is_made_checked_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create("plans", "notes")
    file = str(tmp_path / "backup")
    assert done("backup", file) == f"{file}: 2 documents, 0 updates, 0 images.\n"
    assert "exists already" in refused("backup", file)[0]
    assert "every one as it was written" in done("doctor", "--backup", file)
    assert "every one as it was written" in done("doctor", "--data")

    assert "not empty" in refused("restore", file)[0]
    done("document", "delete", "plans")
    done("restore", "--replace", file)
    assert len(done("document", "list", "--json").splitlines()) == 2
    monkeypatch.setenv("COSCRIBE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert done("restore", file) == "Restored 2 documents, 0 updates, 0 images.\n"
    assert len(done("document", "list", "--json").splitlines()) == 2


def test_damage_is_named_with_code_1_and_the_backup_is_made_all_the_same(tmp_path: Path) -> None:
    create("plans")
    with sqlite3.connect(tmp_path / "data" / "coscribe.db") as connection:
        connection.execute("UPDATE documents SET head_seq = 3")
    connection.close()
    file = str(tmp_path / "backup")
    result = run("backup", file)
    assert (result.exit_code, result.stdout) == (1, f"{file}: 1 documents, 0 updates, 0 images.\n")
    lost = ["coscribe: plans: its log should end with row 3 and ends with row 0"]
    assert result.stderr.splitlines() == lost
    assert refused("doctor", "--backup", file) == lost
    assert lost[0].removeprefix("coscribe: ") in refused("restore", "--replace", file)[0]
    result = run("doctor", "--data")
    assert (result.exit_code, result.stderr.splitlines()) == (1, lost)


# -- people and tokens ------------------------------------------------------------------------------------------------


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AUTH", "accounts"), ("PASSWORD_MEMORY_KIB", "1024"), ("PASSWORD_ROUNDS", "1")):
        monkeypatch.setenv(f"COSCRIBE_{name}", value)


def last(output: str) -> str:
    return output.splitlines()[-1]


@pytest.mark.usefixtures("accounts")
def test_a_token_is_made_listed_and_revoked_without_a_server() -> None:
    command = ("token", "create", "--user", "robot", "--document", "notes/*", "--role", "editor", "--expires", "1h")
    token = last(done(*command))
    assert re.fullmatch(r"cst_[A-Za-z0-9_-]{48}", token)
    (listed,) = map(json.loads, done("token", "list").splitlines())
    assert (listed["person"]["name"], listed["documents"]) == ("robot", {"notes/*": "editor"})
    done("token", "revoke", listed["id"])
    assert done("token", "list") == ""
    assert refused("token", "revoke", listed["id"]) == ["coscribe: there is no such token"]


def test_with_a_secret_a_token_is_signed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a secret of thirty-two characters"
    for name, value in (("AUTH", "jwt"), ("JWT_SECRET", secret), ("JWT_AUDIENCE", "docs"), ("JWT_ISSUER", "shop")):
        monkeypatch.setenv(f"COSCRIBE_{name}", value)
    token = last(done("token", "create", "--user", "ann", "--document", "a", "--document", "b/*", "--role", "reader"))
    claims = jwt.decode(token, secret, ["HS256"], audience="docs", issuer="shop")
    assert (claims["sub"], claims["documents"]) == ("ann", {"a": "reader", "b/*": "reader"})
    assert 29 < (claims["exp"] - time.time()) / 86400 <= 30


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--document", "a", "--role", "god"), "a role is one of"),
        (("--document", "a b"), "a pattern is"),
        (("--document", "a", "--expires", "soon"), "--expires takes"),
        (("--document", "a", "--expires", "2020-01-01"), "in the past"),
        (("--document", "a", "--expires", "999999999w"), "--expires takes"),
    ],
)
@pytest.mark.usefixtures("accounts")
def test_a_token_that_cannot_be_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    (line,) = refused("token", "create", "--user", "robot", *arguments)
    assert complaint in line


def test_without_sign_in_there_are_neither_tokens_nor_people() -> None:
    assert "without a token" in refused("token", "create", "--user", "x", "--document", "a")[0]
    assert "only with AUTH=accounts" in refused("user", "list")[0]


@pytest.mark.usefixtures("accounts")
def test_people_are_looked_after_beside_a_running_server() -> None:
    with serving() as (process, url):
        link = last(done("user", "invite", "--name", "Ann", "--administrator"))
        assert link.startswith(f"{url}/join#csi_")
        with httpx.Client(base_url=url, headers={"origin": url}) as client:
            body = {"secret": link.partition("#")[2], "name": "Ann", "password": "correct horse"}
            assert client.post("/api/invitations/accept", json=body).status_code == 201
            (ann,) = map(json.loads, done("user", "list").splitlines())
            assert (ann["name"], ann["administrator"]) == ("Ann", True)
            assert refused("user", "suspend", "ann") == ["coscribe: somebody has to be an administrator"]
            assert refused("user", "suspend", "Bob") == ["coscribe: there is nobody called Bob"]
            token = last(done("token", "create", "--user", "Ann", "--document", "*", "--role", "reader"))
            headers = {"authorization": f"Bearer {token}"}
            assert client.get("/api/documents", headers=headers).status_code == 200
            done("user", "sign-out", "Ann")
            assert client.get("/api/me").json()["person"] is None
            assert last(done("user", "password", "Ann")).startswith(f"{url}/join#csi_")
            assert client.get("/api/documents", headers=headers).status_code == 200
        process.terminate()
        assert process.wait(20) == 0
    assert not (Settings().data_dir / "operator.json").exists()


@pytest.mark.usefixtures("accounts")
def test_what_lets_commands_in_is_for_the_servers_user_alone() -> None:
    with serving():
        assert stat.S_IMODE((Settings().data_dir / "operator.json").stat().st_mode) == 0o600
