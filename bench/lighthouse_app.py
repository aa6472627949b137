"""`python -m bench.lighthouse_app`: Lighthouse on the web app, as a computer and as a telephone.

A real server with accounts, the system's Chromium; Lighthouse itself is installed into `bench/lighthouse`. Exit code 1
when a score is below `LEAST`. The scores for performance depend on the machine: on a slow or busy one they are lower.
"""

import asyncio
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import httpx
import typer
from rich.console import Console
from rich.table import Table

from bench.app import updates, words
from tests.browser.accounts import PASSWORD, first_link
from tests.browser.pages import chromium
from tests.servers import ServerProcess
from tests.setup import npm

FOLDER: Final = Path(__file__).parent / "lighthouse"
LEAST: Final = 95
_SCORES: Final = ("performance", "accessibility", "best-practices")
_DOCUMENTS: Final = 20


async def prepare(server: ServerProcess) -> str:
    """An administrator with documents, one with text; returns the cookie of their session."""
    async with httpx.AsyncClient(
        base_url=f"{server.url}/api", headers={"Origin": server.url}, trust_env=False, timeout=30
    ) as http:
        secret = first_link(server).partition("#")[2]
        body = {"secret": secret, "name": "Ann", "password": PASSWORD}
        (await http.post("/invitations/accept", json=body)).raise_for_status()
        for number in range(_DOCUMENTS):
            new = {"id": f"plan-{number}", "title": f"Plan {number}"}
            (await http.post("/documents", json=new)).raise_for_status()
        for update in updates(words(1000)):
            headers = {"content-type": "application/octet-stream"}
            (await http.post("/documents/plan-0/updates", content=update, headers=headers)).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in http.cookies.items())


def audit(cookie: str, *addresses: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", "run.mjs", chromium(), cookie, *addresses], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Audit the sign-in page, the start page and an open document."""
    npm(FOLDER)
    with tempfile.TemporaryDirectory(prefix="lighthouse-") as directory:
        server = ServerProcess(Path(directory), executed=True, auth="accounts").start()
        try:
            cookie = asyncio.run(prepare(server))
            found = audit("", f"{server.url}/sign-in")
            found += audit(cookie, f"{server.url}/", f"{server.url}/d/plan-0")
        finally:
            server.terminate()
    table = Table("page", "as", *_SCORES, "below 0.9")
    for one in found:
        scores = [one["scores"][name] for name in _SCORES]
        table.add_row(one["page"], one["preset"], *map(str, scores), "\n".join(one["failed"]))
    Console(width=int(os.environ.get("COLUMNS", "140"))).print(table)
    low = [one for one in found if one["error"] or min(one["scores"].values()) < LEAST]
    for one in low:
        print(f"below {LEAST}: {one['page']} ({one['preset']}){': ' + one['error'] if one['error'] else ''}")
    raise SystemExit(1 if low else 0)


if __name__ == "__main__":
    typer.run(main)
