"""How the command line prints documents."""

import json
from collections.abc import Iterable

import typer

from storage.documents import DocumentInfo
from web.api.documents import document_json


def print_json_lines(documents: Iterable[DocumentInfo]) -> None:
    for document in documents:
        typer.echo(json.dumps(document_json(document), ensure_ascii=False))


def print_table(documents: Iterable[DocumentInfo], *, quarantined: bool = False) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    for heading in ("name", "title", "updates", "last changed", *(["in quarantine because"] if quarantined else [])):
        table.add_column(heading, overflow="fold", justify="right" if heading == "updates" else "left")
    for document in documents:
        fields = document_json(document)
        values = [str(fields[name]) for name in ("id", "title", "head", "updated_at")]
        if quarantined and document.quarantine is not None:
            values.append(document.quarantine.reason)
        # Plain strings would be searched for markup.
        table.add_row(*map(Text, values))
    Console().print(table)
