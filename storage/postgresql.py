"""PostgreSQL through asyncpg: a pool of connections, any of which reads or writes."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, NullPool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 30
"""How long an answer may take before the connection counts as lost."""
POOL_TIMEOUT_S = 10

_SESSION = {
    "application_name": "coscribe",
    # Whatever the server's default is: an acknowledgement says that the row is on disk.
    "synchronous_commit": "on",
    # A connection that the network swallowed holds row locks until the server notices. These bound how long others
    # wait for them, and how soon it does.
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class PostgresBackend:
    """The `Backend` of one PostgreSQL database."""

    def __init__(self, url: URL, *, connections: int) -> None:
        self._url = url
        self._engine = create_async_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            hide_parameters=True,
            connect_args=connect_args(_SESSION) | {"command_timeout": STATEMENT_TIMEOUT_S},
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self._snapshots.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def wipe(self) -> None:
        engine = single_connection_engine(self._url)
        try:
            async with engine.connect() as connection:
                alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await alone.exec_driver_sql("VACUUM")
        finally:
            await engine.dispose()

    async def close(self) -> None:
        await self._engine.dispose()


def single_connection_engine(url: URL) -> AsyncEngine:
    """An engine without a pool, for migrations: its statements may take their time."""
    return create_async_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args=connect_args({"application_name": "coscribe-db"})
    )


def connect_args(session: dict[str, str]) -> dict[str, Any]:
    return {"timeout": CONNECT_TIMEOUT_S, "server_settings": session}
