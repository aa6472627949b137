"""What `coscribe doctor` looks at."""

import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collab.errors import StoreError
from storage.schema import SchemaState, schema_state
from storage.sqlite import has_wal_reset_bug
from storage.url import describe, parse_database_url
from web.settings import Settings
from web.transport import check_uvicorn

Verdict = Literal["ok", "warning", "failed"]
_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[red]failed[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    verdict: Verdict
    detail: str


async def examine(settings: Settings) -> list[Finding]:
    """Every check that concerns these settings. Changes nothing."""
    findings = [_auth(settings)]
    if settings.sqlite_path is not None:
        findings += [_directory(settings), _sqlite_version(sqlite3.sqlite_version_info)]
    findings += [await _schema(settings), _transport()]
    return findings


def check_directory(settings: Settings, *, make: bool) -> None:
    """See that the embedded database has a directory that can be written.

    Args:
        make: DATA_DIR is made when it does not exist. A directory named by DATABASE_URL never is.

    Raises:
        OSError: it cannot; `filename` is the directory.
    """
    if settings.sqlite_path is None:
        return
    directory = settings.sqlite_path.parent
    try:
        if make and directory == settings.data_dir.absolute():
            directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error


def print_findings(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(_MARKS[finding.verdict], finding.what, Text(finding.detail))
    Console().print(table)


def _auth(settings: Settings) -> Finding:
    if settings.auth != "none":
        return Finding("sign-in", "ok", f"AUTH={settings.auth}")
    if settings.local_only:
        return Finding("sign-in", "ok", "AUTH=none: everybody on this machine may edit everything")
    return Finding("sign-in", "warning", "AUTH=none on a network: everybody who reaches the port may edit everything")


def _directory(settings: Settings) -> Finding:
    try:
        check_directory(settings, make=False)
    except FileNotFoundError as error:
        if Path(error.filename) == settings.data_dir.absolute():
            return Finding("data directory", "ok", f"{error.filename} does not exist yet; the server makes it")
        return Finding("data directory", "failed", f"{error.filename} does not exist")
    except OSError as error:
        return Finding("data directory", "failed", f"{error.filename} cannot be written: {error.strerror}")
    return Finding("data directory", "ok", "can be written")


def _sqlite_version(version: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, version))
    if has_wal_reset_bug(version):
        detail = f"{text} can lose commits when another program writes to the file too; 3.51.3 and later cannot"
        return Finding("SQLite", "warning", detail)
    return Finding("SQLite", "ok", text)


async def _schema(settings: Settings) -> Finding:
    place = describe(parse_database_url(settings.database_url))
    if settings.sqlite_path is not None and not settings.sqlite_path.exists():
        return Finding("database", "ok", f"{place} does not exist yet; the server makes it")
    try:
        state = await schema_state(settings.database_url)
    except StoreError as error:
        return Finding("database", "failed", str(error))
    match state:
        case SchemaState.CURRENT:
            return Finding("database", "ok", f"{place}: reachable, its schema is current")
        case SchemaState.BEHIND:
            return Finding("database", "warning", f"{place}: its schema is older; the server will bring it up to date")
        case SchemaState.TOO_NEW:
            return Finding("database", "failed", f"{place}: a newer version of Coscribe has migrated it")


def _transport() -> Finding:
    reason = check_uvicorn()
    if reason is not None:
        return Finding("transport", "warning", f"sockets stay with uvicorn, which costs memory and speed: {reason}")
    return Finding("transport", "ok", "sockets are detached from uvicorn")
