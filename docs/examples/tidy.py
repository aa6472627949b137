"""A program without a server: opens the database, edits a document, and ends when that is saved.

    COSCRIBE_DATA_DIR=data python tidy.py notes/monday

With SQLite no server may run on the database meanwhile.
"""

import asyncio
import sys

from pycrdt import Text

from collab.hub import Hub
from collab.types import Grant, Role, parse_document_id
from storage.engine import Database
from web.opening import open_current
from web.settings import Settings


async def tidy(database: Database, name: str) -> str:
    hub = Hub(database.log, quarantine=database.quarantine)
    await hub.start()
    try:
        grant = Grant(parse_document_id(name), Role.EDITOR, user_id="tidy", user_name="Tidying up", may_create=True)
        async with hub.join(grant) as document:
            text = document.doc.get("text", type=Text)
            text.observe(lambda event: print("changed by", event.transaction.origin))
            with document.transaction(origin="tidy"):
                while "  " in (now := str(text)):
                    at = len(now[: now.index("  ")].encode())  # pycrdt counts bytes of UTF-8
                    del text[at : at + 1]
            await document.saved()  # So does the end of the block.
            return str(text)
    finally:
        await hub.close()


async def main() -> None:
    settings = Settings.read()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with await open_current(settings) as database:
        print(await tidy(database, sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
