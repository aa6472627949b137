"""Alembic's entry point, for `coscribe db upgrade` and for `alembic -c alembic.ini …` alike.

The database is the URL that the program passes, or COSCRIBE_DATABASE_URL, or `sqlalchemy.url` of alembic.ini.
"""

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from storage.schema import MIGRATION_LOCK_KEY, run_migrations
from storage.tables import metadata
from storage.url import parse_database_url


def database_url() -> URL:
    given: URL | None = context.config.attributes.get("url")
    if given is not None:
        return given
    text = os.environ.get("COSCRIBE_DATABASE_URL") or context.config.get_main_option("sqlalchemy.url") or ""
    return parse_database_url(text)


def migrate(connection: Connection) -> None:
    # Both databases can roll DDL back. Alembic does not trust SQLite there, because its driver would commit first;
    # ours does not.
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK_KEY})
        context.run_migrations()


def print_sql() -> None:
    context.configure(dialect_name=database_url().get_backend_name(), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
if context.is_offline_mode():
    print_sql()
else:
    run_migrations(database_url(), migrate)
