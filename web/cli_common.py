"""What the modules of the command line share: how they fail, find the settings, and reach the database or the server.

Modules that take long to import are imported where they are needed, as in `web.cli`.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    import httpx2

    from collab.types import DocumentId, Seq
    from storage.engine import Database
    from web.settings import Settings

T = TypeVar("T")

DocumentName = Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document's name.")]


def fail(*lines: str) -> NoReturn:
    for line in lines:
        print(f"coscribe: {line}", file=sys.stderr)
    raise typer.Exit(1)


def read_settings(options: dict[str, Any] | None = None) -> "Settings":
    from web.settings import Settings, SettingsError

    try:
        return Settings.read(**(options or {}))
    except SettingsError as error:
        fail(*error.faults)


def check_directory(settings: "Settings") -> None:
    from web import doctor

    try:
        doctor.check_directory(settings, make=True)
    except OSError as error:
        fail(f"the data directory {error.filename} cannot be written: {reason_of(error)}")


def reason_of(error: OSError) -> str:
    return error.strerror or str(error)


def parse_name(text: str) -> "DocumentId":
    from collab.types import parse_document_id

    try:
        return parse_document_id(text)
    except ValueError as error:
        fail(str(error))


def with_database(work: "Callable[[Database], Awaitable[T]]", *, exclusive: bool) -> T:
    settings = read_settings()
    from storage.engine import Database

    async def within() -> T:
        database = await Database.open(settings.database_url, exclusive=exclusive)
        try:
            return await work(database)
        finally:
            await database.close()

    return run(within())


def run(work: "Coroutine[Any, Any, T]") -> T:
    from collab.errors import CollabError

    # Warnings about how a server would fare do not concern a command that ends in a moment.
    logging.getLogger("storage").setLevel(logging.ERROR)
    try:
        return asyncio.run(work)
    except (CollabError, ValueError) as error:
        fail(str(error))


def seq_of(number: int) -> "Seq":
    from collab.types import Seq

    return Seq(number)


async def ask(client: "httpx2.AsyncClient", method: str, path: str, **options: Any) -> Any:
    """One request of the operator. Ends the command when the answer is a refusal."""
    response = await client.request(method, path, **options)
    if response.is_success:
        return response.json() if response.content else None
    problem = response.json()
    faults = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in problem.get("errors", ()))
    fail(faults or problem["detail"])


def over_api(work: "Callable[[httpx2.AsyncClient], Awaitable[T]]") -> T:
    """Work with a client that is the operator: of the server that has the database, or in this process."""
    import httpx2

    from web.operator import operator_client

    settings = read_settings()
    check_directory(settings)

    async def within() -> T:
        try:
            async with operator_client(settings) as client:
                return await work(client)
        except httpx2.TransportError:
            fail("the server that has the database does not answer")

    return run(within())
