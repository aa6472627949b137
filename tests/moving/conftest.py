"""An empty Coscribe to move into, and what is in it afterwards."""

from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc

from storage.backup import no_progress
from storage.documents import DocumentInfo
from storage.engine import Database
from storage.schema import upgrade
from web.archiving import present_state
from web.moving import Moved, Source, move_in
from web.settings import Settings


class Home:
    """A Coscribe without a server."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(auth="none", data_dir=data_dir)

    async def move(self, kind: str, path: Path, *, dry_run: bool = False, **options: Any) -> Moved:
        return await move_in(self.settings, Source(kind, path, **options), no_progress, dry_run=dry_run)

    async def documents(self) -> dict[str, DocumentInfo]:
        async with await Database.open(self.settings.database_url) as database:
            return {info.id: info for info in await database.documents.list(limit=1000)}

    async def state(self, name: str) -> bytes:
        async with await Database.open(self.settings.database_url) as database:
            return await present_state(database, (await self._info(database, name)).id)

    async def doc(self, name: str) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        doc.apply_update(await self.state(name))
        return doc

    async def _info(self, database: Database, name: str) -> DocumentInfo:
        (info,) = [info for info in await database.documents.list(limit=1000) if info.id == name]
        return info


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "data")
    home.settings.data_dir.mkdir()
    await upgrade(home.settings.database_url)
    return home
