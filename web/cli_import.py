"""`coscribe import`: archives, files, and the stores of other servers."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from web.cli_common import fail, read_settings, run

if TYPE_CHECKING:
    from web.moving import Moved


class Store(Enum):
    HOCUSPOCUS_SQLITE = "hocuspocus-sqlite"
    Y_LEVELDB = "y-leveldb"
    Y_SWEET = "y-sweet"
    YSTORE_SQLITE = "ystore-sqlite"
    YSTORE_FILE = "ystore-file"
    FILES = "files"


def import_(
    path: Annotated[
        Path, typer.Argument(help="An archive, a file to make a document of, or another server's store.", exists=True)
    ],
    store: Annotated[
        Store | None, typer.Option("--from", help="What PATH is, when it is another server's store or a directory.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="archive, text, markdown, html, json, docx or yjs; by default what PATH tells.")
    ] = None,
    name: Annotated[str | None, typer.Option("--id", help="Name of the new document; only for one file.")] = None,
    title: Annotated[str, typer.Option(help="Its title.")] = "",
    prefix: Annotated[str, typer.Option(help="Stands before every name of an archive or store.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --from: only tell what would come in.")] = False,
    with_damaged: Annotated[
        bool, typer.Option("--with-damaged", help="With --from: of what cannot be read whole, what can be read.")
    ] = False,
) -> None:
    """Bring in an archive, a file, or every document of another server's store.

    An archive is checked first, every byte of it; if anything is wrong, nothing of it is stored. Of a store, documents
    come in one by one, with the edits that clients have copies of. Either may be repeated: what is here already is
    left alone, and of a store what is new comes in. Code 1 also when something of a store could not be read; it is
    named. With SQLite no server may run meanwhile: ask it instead (POST /api/import, /api/admin/imports).
    """
    if store is not None:
        if format is not None or name is not None or title:
            fail("--format, --id and --title are for one file")
        return _from_store(store, path, prefix, dry_run=dry_run, with_damaged=with_damaged)
    if dry_run or with_damaged:
        fail("--dry-run and --with-damaged go with --from")
    if path.is_dir():
        fail(f"{path} is a directory; --from says what is in it")
    _from_file(path, format, name, title, prefix)


def _from_file(file: Path, format: str | None, name: str | None, title: str, prefix: str) -> None:
    from collab.imports.formats import IMPORT_FORMATS
    from web.exporting import ARCHIVE, format_for, import_documents, import_file
    from web.progress import progress_bar

    chosen = format or format_for(file)
    if chosen not in (ARCHIVE, *IMPORT_FORMATS):
        fail(f"format is one of: {ARCHIVE}, {', '.join(IMPORT_FORMATS)}")
    settings = read_settings()
    with progress_bar() as progress:
        if chosen != ARCHIVE:
            info = run(import_file(settings, file, chosen, name, title, progress))
            print(info.id)
            return
        done = run(import_documents(settings, file, prefix, progress))
    counts = f"{done['documents']} documents, {done['updates']} updates, {done['images']} images"
    print(f"{file}: {counts}; {done['present']} documents were here already.")
    if done["left_out"]:
        print(f"The archive was made without: {', '.join(done['left_out'])}")


def _from_store(store: Store, path: Path, prefix: str, *, dry_run: bool, with_damaged: bool) -> None:
    from web.moving import Source, move_in
    from web.progress import progress_bar

    settings = read_settings()
    source = Source(store.value, path, prefix, with_damaged)
    with progress_bar() as progress:
        moved = run(move_in(settings, source, progress, dry_run=dry_run))
    _report(path, moved, dry_run=dry_run)


def _report(path: Path, moved: "Moved", *, dry_run: bool) -> None:
    for name, here in moved.renamed:
        print(f"{name!r} is called {here} here.")
    print(
        f"{path}: {moved.documents} documents, {moved.updates} updates; "
        f"{moved.present + moved.grown} were here already, {moved.grown} of them with something new."
    )
    if dry_run:
        print("Nothing was stored.")
    if moved.faults:
        fail(*(fault if name is None else f"{name!r}: {fault}" for name, fault in moved.faults))
