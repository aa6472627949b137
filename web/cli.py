"""The command line. Every command says what it does, and ends with code 0 only when it did it.

Modules that take long to import are imported by the commands that need them: `--help` should not wait for a database
driver.
"""

import asyncio
import gc
import inspect
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from web.cli_common import (
    DocumentName,
    ask,
    check_directory,
    fail,
    over_api,
    parse_name,
    read_settings,
    reason_of,
    run,
    seq_of,
    with_database,
)
from web.cli_history import history_commands
from web.cli_import import import_
from web.cli_people import token_commands, user_commands
from web.cli_retention import erase_person, prune_history, purge_document

if TYPE_CHECKING:
    import socket

    from storage.backup import Progress, Summary
    from storage.documents import DocumentInfo
    from storage.engine import Database
    from web.settings import Settings

T = TypeVar("T")

_PAGE = 500

app = typer.Typer(
    name="coscribe",
    help="A server for documents that several people edit at once.",
    no_args_is_help=True,
    add_completion=False,
    # Plain text: the boxes break addresses and option names into pieces.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
db_commands = typer.Typer(help="The database's schema.", no_args_is_help=True)
document_commands = typer.Typer(help="Documents, straight in the database.", no_args_is_help=True)
app.add_typer(db_commands, name="db")
app.add_typer(document_commands, name="document")
app.add_typer(user_commands, name="user")
app.add_typer(token_commands, name="token")
app.add_typer(history_commands, name="history")
app.command("import")(import_)
history_commands.command("prune")(prune_history)
document_commands.command("purge")(purge_document)
user_commands.command("erase")(erase_person)


def main() -> None:
    # Nothing of what the imports make is garbage; looking for it is a fifth of the time until the server answers.
    # `web.server.Server` switches the collector on when it is ready, and no other command lives long.
    gc.disable()
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"coscribe {version('coscribe')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


# -- serve ------------------------------------------------------------------------------------------------------------


@app.command()
def serve(**options: Any) -> None:
    """Run the server until Ctrl-C or SIGTERM, which let it store everything first.

    Every option is also an environment variable: --data-dir is COSCRIBE_DATA_DIR. Options win.
    """
    settings = read_settings(options)
    if settings.auth == "application":
        fail("AUTH=application is for applications that Coscribe is mounted into: docs/embedding.md")
    from web.descriptors import raise_limit
    from web.logs import configure_logs
    from web.server import NotEverythingSaved, listen, new_event_loop

    configure_logs(settings.log_format, settings.log_level)
    raise_limit()
    with ExitStack() as stack:
        try:
            sockets = [stack.enter_context(opened) for opened in listen(settings.host, settings.port)]
        except OSError as error:
            fail(f"cannot listen on {settings.host} port {settings.port}: {reason_of(error)}")
        check_directory(settings)
        runner = stack.enter_context(asyncio.Runner(loop_factory=new_event_loop))
        try:
            runner.run(_serve(settings, sockets))
        except NotEverythingSaved as error:
            fail(str(error))


async def _serve(settings: "Settings", sockets: "list[socket.socket]") -> None:
    from web.first_run import first_run_link
    from web.operator import local_url, new_operator_key, operator_file
    from web.server import serve, url_of

    database = await _open_for_service(settings)
    url, key = url_of(settings.host, sockets), new_operator_key()
    try:
        link = await first_run_link(settings, database, url)

        def announce() -> None:
            print(f"Coscribe is ready on {url}", flush=True)
            if link is not None:
                print(f"Become its first administrator (the link works once): {link}", flush=True)

        with operator_file(settings, local_url(url), key):
            await serve(settings, database, sockets, announce, operator_key=key)
    finally:
        await database.close()


async def _open_for_service(settings: "Settings") -> "Database":
    from collab.errors import StoreError
    from web.opening import open_current

    try:
        return await open_current(settings)
    except StoreError as error:
        fail(f"cannot use the database: {error}")


def _settings_options() -> list[inspect.Parameter]:
    """One option for each setting, all passed on as text: `Settings` reads them and names every fault at once."""
    from web.settings import Settings

    parameters = []
    for name, field in Settings.model_fields.items():
        kind: Any = bool if field.annotation is bool else str
        if get_origin(field.annotation) is Literal:
            metavar = "|".join(get_args(field.annotation))
        else:
            metavar = name.removesuffix("_max").rpartition("_")[2].upper()
        default = "" if field.default_factory is not None or field.default == () else f" [default: {field.default}]"
        option = typer.Option(help=f"{field.description}{default}", metavar=None if kind is bool else metavar)
        annotation: Any = Annotated[kind | None, option]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    return parameters


serve.__signature__ = inspect.Signature(_settings_options())  # type: ignore[attr-defined]


# -- db ---------------------------------------------------------------------------------------------------------------


@db_commands.command("upgrade")
def upgrade_schema() -> None:
    """Create the database's schema, or bring it up to date. `serve` does so by itself."""
    settings = read_settings()
    check_directory(settings)
    from storage.schema import upgrade

    run(upgrade(settings.database_url))
    print("The database's schema is up to date.")


# -- document ---------------------------------------------------------------------------------------------------------


@document_commands.command("list")
def list_documents(
    query: Annotated[str | None, typer.Option(help="Only those with this text in their name or title.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in the bin instead.")] = False,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Only those in quarantine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List documents in the order of their names."""
    from web.listing import print_json_lines, print_table

    async def find(database: "Database") -> "list[DocumentInfo]":
        found: list[DocumentInfo] = []
        while page := await database.documents.list(
            after=found[-1].id if found else None, limit=_PAGE, query=query, deleted=deleted, quarantined=quarantined
        ):
            found += page
        return found

    found = with_database(find, exclusive=False)
    if as_json:
        print_json_lines(found)
    else:
        print_table(found, quarantined=quarantined)


@document_commands.command("show")
def show_document(document: DocumentName) -> None:
    """Print what is known of a document, as JSON."""
    from web.listing import print_json_lines

    name = parse_name(document)
    print_json_lines([with_database(lambda database: database.documents.get(name), exclusive=False)])


@document_commands.command("delete")
def delete_document(document: DocumentName) -> None:
    """Put a document into the bin.

    Where a server runs on the same database, ask the server instead (DELETE /api/documents/...): it also sends away
    whoever has the document open. With SQLite this command refuses to run beside a server.
    """
    name = parse_name(document)
    with_database(lambda database: database.documents.delete(name), exclusive=True)
    print(f"{name} is in the bin.")


@document_commands.command("restore")
def restore_document(document: DocumentName) -> None:
    """Take a document out of the bin."""
    name = parse_name(document)
    with_database(lambda database: database.documents.restore(name), exclusive=True)
    print(f"{name} is not in the bin.")


@document_commands.command("release")
def release_document(document: DocumentName) -> None:
    """Let a document out of quarantine, if all of it can be loaded, which a process of its own tries first.

    Where a server runs on the same SQLite file, ask the server instead (POST /api/documents/.../release).
    """
    from collab.loading import release

    name = parse_name(document)
    with_database(lambda database: release(database.quarantine, name), exclusive=True)
    print(f"{name} is not in quarantine.")


# -- export -----------------------------------------------------------------------------------------------------------


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it. Its ending tells the format: .zip, .md, .docx …")],
    documents: Annotated[list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Names of documents.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All documents, those in the bin too.")] = False,
    format: Annotated[
        str | None, typer.Option(help="archive, text, markdown, html, json, docx or yjs; by default what FILE tells.")
    ] = None,
    at: Annotated[
        int | None, typer.Option(min=0, help="The document as it was after this seq; not for archives.")
    ] = None,
    content: Annotated[
        bool, typer.Option(help="In an archive: also what each document holds, as Markdown and JSON.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it exists.")] = False,
) -> None:
    """Write one document in a format of your choice, or any number with their history as an archive.

    The server may run meanwhile. Code 1 also when a damaged document had to be left out of an archive: the archive is
    then complete without it, and the document is named.
    """
    from collab.export.formats import EXPORT_FORMATS
    from web.exporting import ARCHIVE, export_documents, export_file, format_for
    from web.progress import progress_bar

    chosen = format or format_for(file)
    if chosen not in (ARCHIVE, *EXPORT_FORMATS):
        fail(f"format is one of: {ARCHIVE}, {', '.join(EXPORT_FORMATS)}")
    names = [parse_name(name) for name in documents or []]
    if everything == bool(names):
        fail("name documents, or ask for --all")
    if chosen != ARCHIVE and len(names) != 1:
        fail(f"{chosen} is for one document; several make an archive (FILE.zip)")
    if chosen == ARCHIVE and at is not None:
        fail("an archive holds the whole history; --at is for the other formats")
    if file.exists() and not overwrite:
        fail(f"{file} exists already; --overwrite replaces it")
    settings = read_settings()
    with progress_bar() as progress:
        _note_export(None if everything else names, chosen, at)
        if chosen != ARCHIVE:
            size = run(export_file(settings, names[0], file, chosen, None if at is None else seq_of(at), progress))
            print(f"{file}: {names[0]} as {chosen}, {size} bytes.")
            return
        done = run(export_documents(settings, None if everything else names, file, content=content, progress=progress))
    print(f"{file}: {done['documents']} documents, {done['updates']} updates, {done['images']} images.")
    faults = [f"{missing['id']} was left out: {missing['reason']}" for missing in done["left_out"]]
    faults += [f"{missing['id']}: {missing['reason']}" for missing in done["images_missing"]]
    if faults:
        fail(*faults)


def _note_export(names: Sequence[str] | None, format: str, at: int | None) -> None:
    """Put it into the audit log, by way of the server if one has the database; the export itself only reads."""
    entry = {"documents": None if names is None else [*names], "format": format, "at": at}
    try:
        over_api(lambda client: ask(client, "POST", "/api/admin/audit", json=entry))
    except typer.Exit:
        print("coscribe: the export cannot be written into the audit log", file=sys.stderr)


# -- backup -----------------------------------------------------------------------------------------------------------


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it.", dir_okay=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it exists.")] = False,
    images: Annotated[bool, typer.Option(help="With the images that documents have.")] = True,
) -> None:
    """Write everything the database holds, and the images in documents, to one file, while the server runs or not.

    The file holds every edit that was acknowledged before this began, and restores into SQLite and PostgreSQL alike.
    Code 1 also when stored data is damaged: the file is then complete, damage included, and the damage is named; and
    when images are missing.
    """
    settings = read_settings()
    from storage.backup import back_up
    from web.progress import progress_bar

    blobs = settings.open_blobs() if images else None
    with progress_bar() as progress:
        summary = run(back_up(settings.database_url, file, blobs, overwrite=overwrite, progress=progress))
    print(f"{file}: {summary.documents} documents, {summary.updates} updates, {summary.images} images.")
    _report_damage(summary)
    if images and summary.images_missing:
        fail(f"{summary.images_missing} images are not where they should be, or damaged")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `coscribe backup` has written.", dir_okay=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Delete first what the database holds now.")] = False,
    with_damaged: Annotated[
        bool, typer.Option("--with-damaged", help="Also restore data that was damaged when the backup was made.")
    ] = False,
) -> None:
    """Put everything a backup holds into the database. No server may run on it meanwhile.

    The file is verified first, as a whole; a database that holds anything is refused. Clients that have newer edits
    bring them back when they connect.
    """
    settings = read_settings()
    check_directory(settings)
    from storage.backup import restore
    from web.progress import progress_bar

    with progress_bar() as progress:
        url, blobs = settings.database_url, settings.open_blobs()
        summary = run(restore(file, url, blobs, replace=replace, with_damaged=with_damaged, progress=progress))
    print(f"Restored {summary.documents} documents, {summary.updates} updates, {summary.images} images.")
    if summary.images_missing:
        print(f"{summary.images_missing} images are not in this backup.")


def _report_damage(summary: "Summary") -> None:
    if summary.damages:
        fail(*(f"{damage.document}: {damage.what}" for damage in summary.damages))


# -- doctor -----------------------------------------------------------------------------------------------------------


@app.command()
def doctor(
    data: Annotated[bool, typer.Option("--data", help="Also check every stored row, which takes its time.")] = False,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="Check this backup instead, every byte of it.", dir_okay=False)
    ] = None,
) -> None:
    """Look for what would keep the server from running well; code 1 when something would keep it from starting.

    With --data or --backup, code 1 also when stored data is damaged.
    """
    if backup is not None:
        from storage.backup import verify

        return _check_data(lambda progress: verify(backup, progress), str(backup))
    settings = read_settings()
    from web.doctor import examine, print_findings

    findings = asyncio.run(examine(settings))
    print_findings(findings)
    if any(finding.verdict == "failed" for finding in findings):
        raise typer.Exit(1)
    if data:
        from storage.backup import audit

        _check_data(lambda progress: audit(settings.database_url, progress), "the database")


def _check_data(check: "Callable[[Progress], Coroutine[Any, Any, Summary]]", what: str) -> None:
    from web.progress import progress_bar

    with progress_bar() as progress:
        summary = run(check(progress))
    _report_damage(summary)
    images = f", {summary.images} images" if summary.images else ""
    print(f"{what}: {summary.documents} documents, {summary.updates} updates{images}, every one as it was written.")
    if summary.images_missing:
        print(f"{summary.images_missing} images are not in it.")
