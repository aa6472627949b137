"""Appends rows without end, prints the seq of each when it is acknowledged: `python -m tests.storage.appender URL`."""

import asyncio
import sys

from storage.engine import Database
from tests.storage.edits import A, append


async def main(url: str) -> None:
    async with await Database.open(url) as database:
        head = (await database.log.load(A, create=True)).head
        while True:
            (head,) = await database.log.append([append(A, b"%d" % (head + 1), b"%d" % (head + 2), by="ada")])
            sys.stdout.write(f"{head}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
