"""`coscribe history`: what a document was, who wrote it, and bringing a past state back, straight in the database."""

import json
import sys
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from web.cli_common import DocumentName, fail, parse_name, read_settings, seq_of, with_database

if TYPE_CHECKING:
    from collab.types import DocumentId, Seq
    from storage.engine import Database
    from web.history.answers import Answers, Whole

history_commands = typer.Typer(
    help="The history of documents, straight in the database.", no_args_is_help=True, rich_markup_mode=None
)

_RECURSION_MAX = 40_000

SeqNumber = Annotated[int, typer.Argument(min=0, metavar="SEQ", help="A state, by the seq of its last edit.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


class Form(Enum):
    TEXT = "text"
    YJS = "yjs"


@history_commands.command("list")
def list_history(
    document: DocumentName,
    user: Annotated[str | None, typer.Option(help="Only what this person did, by their id.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Not what ended before.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Not what began after.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many entries at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The story of a document, newest first: sessions of editing, named versions, restores, imports and exports."""
    from collab.history.timeline import TimelineQuery

    name = parse_name(document)
    query = TimelineQuery(
        pause_ms=int(read_settings().history_pause_seconds * 1000),
        limit=limit,
        user_id=user,
        anybody=user is None,
        from_ms=None if since is None else int(since.timestamp() * 1000),
        to_ms=None if until is None else int(until.timestamp() * 1000),
    )
    entries = with_database(lambda database: _answers(database).told(name, query), exclusive=False)["entries"]
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(entry, ensure_ascii=False))
    else:
        from rich.console import Console

        from web.history.terminal import print_timeline

        print_timeline(entries, Console())


@history_commands.command("show")
def show_state(
    document: DocumentName,
    seq: SeqNumber,
    form: Annotated[Form, typer.Option("--format", help="Plain text, or the state as a Yjs update.")] = Form.TEXT,
) -> None:
    """Write the document as it was at a seq to standard output."""
    from collab.export.text import document_text

    name, at = parse_name(document), seq_of(seq)
    state = with_database(lambda database: _answers(database).content(name, at), exclusive=False)
    if form is Form.YJS:
        sys.stdout.buffer.write(state)
        sys.stdout.buffer.flush()
    else:
        typer.echo(document_text(state))


@history_commands.command("diff")
def show_diff(
    document: DocumentName,
    before: Annotated[int, typer.Argument(min=0, metavar="FROM", help="The seq of one state.")],
    after: Annotated[int, typer.Argument(min=0, metavar="TO", help="The seq of the other.")],
    by_character: Annotated[bool, typer.Option("--by-character", help="Not by whole words.")] = False,
    as_json: AsJson = False,
    as_html: Annotated[bool, typer.Option("--html", help="As a web page.")] = False,
) -> None:
    """What changed between two states: green is new, red is gone, yellow has other marks.

    Where there are no colours, {+new+}, [-gone-] and {~other marks~}.
    """

    if as_json and as_html:
        fail("--json or --html, not both")
    name = parse_name(document)
    found = with_database(
        lambda database: _answers(database).compared(name, seq_of(before), seq_of(after), words=not by_character),
        exclusive=False,
    )
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif as_html:
        from collab.history.html import comparison_html

        typer.echo(comparison_html(found), nl=False)
    else:
        from rich.console import Console

        from web.history.terminal import print_diff

        print_diff(found, Console())


@history_commands.command("blame")
def show_blame(
    document: DocumentName,
    at: Annotated[int | None, typer.Option(min=0, metavar="SEQ", help="At an earlier state.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="With the ids of blocks, for restore --block.")] = False,
    as_json: AsJson = False,
) -> None:
    """Who wrote what: a colour for each author; where there are no colours, [author: text]."""

    name, seq = parse_name(document), None if at is None else seq_of(at)
    found = with_database(lambda database: _answers(database).blamed(name, seq), exclusive=False)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        from rich.console import Console

        from web.history.terminal import print_blame

        print_blame(found, Console(), ids=ids)


@history_commands.command("restore")
def restore_state(
    document: DocumentName,
    seq: SeqNumber,
    block: Annotated[str | None, typer.Option(metavar="ID", help="Only this block, by its id in blame --ids.")] = None,
    root: Annotated[str | None, typer.Option(metavar="NAME", help="Only this root.")] = None,
    user: Annotated[str | None, typer.Option("--as", metavar="USER", help="Who restores, by their id.")] = None,
) -> None:
    """Bring the state at a seq back, as one new edit: nothing of the history is lost, and clients simply receive it.

    Where a server runs on the same database, ask the server instead (POST /api/documents/.../restore): it tells whoever
    has the document open. With SQLite this command refuses to run beside a server.
    """
    from web.history.answers import Whole

    if block is not None and root is not None:
        fail("--block or --root, not both")
    name = parse_name(document)
    row = with_database(
        lambda database: _bring_back(database, name, seq_of(seq), Whole(block, root), user), exclusive=True
    )
    part = f"block {block} of " if block is not None else f"root {root} of " if root is not None else ""
    state = f"{part}{name} is as it was at {seq}"
    print(f"{state} already." if row is None else f"{state}, by edit {row}.")


async def _bring_back(
    database: "Database", document: "DocumentId", at: "Seq", of: "Whole", user_id: str | None
) -> "Seq | None":
    from collab.history.ports import EventKind, NewEvent
    from collab.ports import Append, NewUpdate
    from storage.audit_log import Actor, Event

    restoration = await _answers(database).restoration(document, at, of)
    if restoration.empty:
        return None
    restore = NewEvent(EventKind.RESTORE, user_id, at, str(of), client=restoration.client, copies=restoration.copies)
    event = await database.history.add_event(document, restore)
    (row,) = await database.log.append([Append(document, (NewUpdate(user_id, restoration.update),))])
    await database.history.finish_restore(document, event, row)
    details = {"seq": at, "row": row, "part": str(of) or None, "with": "command line"}
    await database.audit.write([Event(Actor(user_id), "state-restored", document, details)])
    return row


def _answers(database: "Database") -> "Answers":
    from collab.history.historian import Historian
    from web.history.answers import Answers

    sys.setrecursionlimit(_RECURSION_MAX)  # shared types may be nested 2,000 deep
    return Answers(Historian(database.log, database.history), database.history)
