"""`coscribe history prune`, `coscribe document purge`, `coscribe user erase`: over the API, as the operator.

Each tells first what will go, and asks; `--yes` does not ask, `--dry-run` stops there.
"""

import re
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from web.cli_common import DocumentName, ask, fail, over_api, parse_name

if TYPE_CHECKING:
    import httpx2

_AGE = re.compile(r"([0-9]{1,5})([dwy])", re.ASCII)
_DAYS = {"d": 1, "w": 7, "y": 365}
_WIPE = "/api/admin/wipe"

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class To(Enum):
    DAILY = "daily"
    NONE = "none"


def prune_history(
    to: Annotated[To, typer.Option(help="What stays: one state a day, or only what the old edits made.")],
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Edits older than this: 90d, 8w, 2y; 0d for all.")],
    document: Annotated[str | None, typer.Argument(metavar="[DOCUMENT]", help="The document's name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All documents, those in the bin too.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Thin the history of documents out, for good. What the documents are does not change.

    Also beside a running server. docs/history.md says what stays known.
    """
    if everything == (document is not None):
        fail("name a document, or ask for --all")
    name = None if document is None else parse_name(document)
    body = {"older_than_days": _days(older_than), "to": to.value, "wipe": False}

    async def work(client: "httpx2.AsyncClient") -> None:
        names: list[str] = await _all(client) if name is None else [name]
        total = await _pruned(client, names, body | {"dry_run": True})
        typer.echo(f"{total['rows']} edits of {total['documents']} documents go, {total['bytes']} bytes of the log.")
        if dry_run or not total["documents"]:
            return
        _confirm(yes)
        total = await _pruned(client, names, body | {"dry_run": False})
        await ask(client, "POST", _WIPE, timeout=None)
        typer.echo(f"Done: {total['documents']} documents.")

    over_api(work)


async def _all(client: "httpx2.AsyncClient") -> list[str]:
    names: list[str] = []
    for deleted in ("false", "true"):
        after: str | None = None
        while True:
            asked = {"scope": "all", "deleted": deleted} | ({} if after is None else {"after": after})
            page = await ask(client, "GET", "/api/documents", params=asked)
            names += (document["id"] for document in page["documents"] if document["quarantine"] is None)
            after = page["next"]
            if after is None:
                break
    return names


async def _pruned(client: "httpx2.AsyncClient", names: list[str], body: dict[str, Any]) -> dict[str, int]:
    from web.progress import progress_bar

    total = {"documents": 0, "rows": 0, "bytes": 0}
    with progress_bar() as progress:
        for done, name in enumerate(names):
            progress("documents", done, len(names))
            path = f"/api/admin/documents/{quote(name, safe='')}/prune"
            found = await ask(client, "POST", path, json=body, timeout=None)
            total["documents"] += found["through"] > 0
            total["rows"] += found["rows"]
            total["bytes"] += found["bytes"]
        progress("documents", len(names), len(names))
    return total


def purge_document(document: DocumentName, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Delete a document that lies in the bin for good, with its whole history."""
    name = parse_name(document)
    path = f"/api/admin/documents/{quote(name, safe='')}/purge"

    async def work(client: "httpx2.AsyncClient") -> None:
        found = await ask(client, "POST", path, json={})
        typer.echo(f"{name}: {found['rows']} edits, {found['versions']} named versions, {found['bytes']} bytes go.")
        if not dry_run:
            _confirm(yes)
            await ask(client, "POST", path, json={"dry_run": False}, timeout=None)
            typer.echo(f"{name} is gone.")

    over_api(work)


def erase_person(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Name, e-mail address or id.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a person's account, and put an alias in the place of their name and id. What they wrote stays."""

    async def work(client: "httpx2.AsyncClient") -> None:
        path = f"/api/admin/people/{quote(await _id_of(client, person), safe='')}/erase"
        found = await ask(client, "POST", path, json={})
        typer.echo(
            f"{found['name'] or found['id']}: {found['sign_ins']} sign-ins and {found['tokens']} tokens go; "
            f"{found['documents']} documents and {found['audit_entries']} entries of the audit log name them no more."
        )
        if not dry_run:
            _confirm(yes)
            done = await ask(client, "POST", path, json={"dry_run": False}, timeout=None)
            typer.echo(f"What they wrote is by {done['alias']} now.")

    over_api(work)


async def _id_of(client: "httpx2.AsyncClient", person: str) -> str:
    """Of somebody with an account, who may be called by name; everybody else has only an id."""
    from storage.rows import fold

    response = await client.request("GET", "/api/admin/people", params={"q": person})
    wanted = fold(person.strip())
    for found in response.json()["people"] if response.is_success else ():
        if wanted in (fold(found["name"]), fold(found["email"] or "")):
            return str(found["id"])
    return person


def _confirm(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail("nothing was deleted: --yes says that it should be")
    if not typer.confirm("For good?"):
        raise typer.Exit(1)


def _days(text: str) -> int:
    found = _AGE.fullmatch(text)
    if found is None:
        fail("--older-than takes an age: 90d, 8w or 2y")
    return int(found[1]) * _DAYS[found[2]]
