"""The composition root: settings in, an ASGI application out. The only place where the three layers are joined."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware

from collab.hub import Hub
from collab.load_watch import LoadWatch
from storage.engine import Database
from web.headers import SecurityHeaders
from web.reports import LogReporter
from web.routes import routes
from web.routing import no_such_route
from web.security import Door
from web.settings import Settings
from web.state import State, transport_limits
from web.static_files import StaticFiles
from web.transport import Heart, encode_frame

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    on_failure: Callable[[BaseException], None] | None = None,
) -> Starlette:
    """Make the application.

    Args:
        settings: read from the environment when not given, so that this function is also a factory for ASGI servers.
        database: an open one, which stays open. Otherwise the application opens the one the settings name, and
            closes it; that one must have been brought up to date (`coscribe db upgrade`).
        on_failure: called once when nothing can be saved any more; the process should end.

    Raises:
        SettingsError: the environment is not usable.
    """
    given = settings or Settings.read()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            # Closed in the opposite order: first the hub stores and says goodbye, last the database goes.
            store = database
            if store is None:
                store = await Database.open(given.database_url)
                stack.push_async_callback(store.close)
            heart = Heart(interval=given.keepalive_seconds, silence_max=given.silence_seconds)
            heart.start()
            stack.callback(heart.stop)
            hub = Hub(
                store.log,
                frame=encode_frame,
                limits=given.room_limits,
                on_failure=on_failure,
                quarantine=store.quarantine,
                watch=_watch(given, stack),
                reporter=LogReporter(),
            )
            await hub.start()
            stack.push_async_callback(hub.close, given.shutdown_seconds)
            yield State(
                settings=given,
                door=Door(given),
                database=store,
                hub=hub,
                heart=heart,
                transport_limits=transport_limits(given),
            )

    app = Starlette(routes=routes(StaticFiles()), middleware=[Middleware(SecurityHeaders)], lifespan=lifespan)
    app.router.redirect_slashes = False
    app.router.default = no_such_route
    return app


def _watch(settings: Settings, stack: AsyncExitStack) -> LoadWatch | None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        watch = LoadWatch.open(settings.data_dir)
    except OSError as error:
        log.warning(
            "a document that ends the process when it is loaded will end every process: DATA_DIR cannot be written",
            reason=str(error),
        )
        return None
    stack.callback(watch.close)
    return watch
