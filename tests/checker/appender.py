"""Commits, checkpoints and closes, and says what is acknowledged: what the system tests kill at every write.

`python -m tests.checker.appender FILE COMMITS` appends to document `a` of an SQLite database, two rows a commit, and
writes `seq\\n` in one system call when a commit is acknowledged. In the middle it writes a checkpoint of the document,
and SQLite copies its WAL into the database.
"""

import asyncio
import os
import sys

from collab.ports import Checkpoint
from collab.types import Seq
from storage.engine import Database
from tests.storage.edits import A, append


def payload(seq: int) -> bytes:
    """What row `seq` holds: some rows fill more than a page."""
    return b"%d:" % seq + b"x" * (seq * 977 % 9000)


async def main(file: str, commits: int) -> None:
    async with await Database.open(f"sqlite+aiosqlite:///{file}") as database:
        head = (await database.log.load(A, create=True)).head
        for number in range(commits):
            (head,) = await database.log.append([append(A, payload(head + 1), payload(head + 2), by="ada")])
            os.write(1, b"%d\n" % head)
            if number == commits // 2:
                await database.log.write_checkpoint(A, Checkpoint(Seq(head), payload(head)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
