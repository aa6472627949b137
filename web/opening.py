"""Opens the database of the settings, in the schema of this version."""

from storage.engine import Database
from storage.errors import SchemaBehind
from web.settings import Settings


async def open_current(settings: Settings) -> Database:
    """
    Raises:
        StoreError: it cannot be used.
    """
    try:
        return await Database.open(settings.database_url)
    except SchemaBehind:
        from storage.schema import upgrade  # Slow to import, and rarely needed.

        await upgrade(settings.database_url)
        return await Database.open(settings.database_url)
