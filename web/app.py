"""The composition root: settings in, an ASGI application out. The only place where the three layers are joined."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from collab.errors import DocumentNotFound, StoreError
from collab.history.thinning import Keep
from collab.hub import Hub
from collab.load_watch import LoadWatch
from storage.documents import IN_BIN
from storage.engine import Database
from storage.url import is_sqlite, parse_database_url
from web.accounts import Accounts
from web.bearer import OurTokens
from web.commenting import WithComments
from web.descriptors import watch_descriptors
from web.headers import SecurityHeaders
from web.history.keeper import HistoryKeeper, WatchedLog
from web.history.process import HistoryProcess
from web.history.sweeper import Sweeper
from web.indexer import Indexer
from web.jobs import Jobs
from web.minting import Mint
from web.operator import WithOperator
from web.passwords import Passwords
from web.recorder import Recorder
from web.reports import LogReporter
from web.routes import routes
from web.routing import no_such_route
from web.security import Door
from web.settings import Settings
from web.sign_on import SignOn
from web.state import State, transport_limits
from web.static_files import StaticFiles
from web.throttle import Throttle
from web.transport import Heart, encode_frame, encode_text_frame, payload_of
from web.turnstile import Turnstile
from web.visitor import Authority, Everybody, Nobody
from web.watch import Places, Watch
from web.workers import Workers

log = structlog.get_logger(__name__)


async def compose(
    settings: Settings,
    database: Database,
    hub: Hub,
    history: HistoryProcess,
    heart: Heart,
    operator_key: str | None,
    authority: Authority | None = None,
) -> State:
    """Join the parts of one running application."""
    mint = Mint(await database.credentials.key())
    recorder = Recorder(database)
    tokens = OurTokens(database, mint, recorder)
    authority = authority or choose_authority(settings, database, mint, recorder, tokens)
    if operator_key is not None:
        authority = WithOperator(authority, operator_key)
    authority = WithComments(authority)
    throttle = Throttle(settings)
    return State(
        settings=settings,
        door=Door(settings, authority, throttle=throttle, recorder=recorder),
        database=database,
        blobs=settings.open_blobs(),
        hub=hub,
        history=history,
        workers=Workers(settings.worker_limits),
        jobs=Jobs(settings, database, recorder),
        heart=heart,
        mint=mint,
        tokens=tokens,
        passwords=Passwords(settings),
        sign_on=choose_sign_on(settings, database, mint),
        throttle=throttle,
        recorder=recorder,
        places=Places(settings),
        watch=Watch(
            authority,
            settings,
            database.credentials,
            other_servers=not is_sqlite(parse_database_url(settings.database_url)),
            close_deleted=partial(close_deleted, database, hub),
        ),
        transport_limits=transport_limits(settings),
        turnstile=Turnstile(),
    )


def choose_authority(
    settings: Settings, database: Database, mint: Mint, recorder: Recorder, tokens: OurTokens
) -> Authority:
    match settings.auth:
        case "none":
            return Everybody()
        case "accounts":
            return Accounts(database, mint, recorder, tokens)
        case "jwt":
            # Slow to import, and not needed by the others.
            from web.json_web_tokens import JsonWebTokens, SharedSecrets
            from web.key_set import KeySet

            keys = KeySet(settings.jwt_jwks_url) if settings.jwt_jwks_url else SharedSecrets(settings)
            return JsonWebTokens(settings, database, tokens, keys)
        case "application":
            return Nobody()  # Whoever embeds it brings one.


async def close_deleted(database: Database, hub: Hub) -> None:
    """Send those away who have a document open that another server has put into the bin."""
    for document in await database.documents.in_bin(hub.documents):
        hub.close_document(document, DocumentNotFound(IN_BIN))


async def say_the_rest(state: State) -> None:
    """At the end: what was gathered, and what other servers do not know yet."""
    try:
        await state["recorder"].flush()
        await state["watch"].exchange_news()
    except StoreError as error:
        log.warning("the last entries of the audit log are lost", error=str(error))


def choose_sign_on(settings: Settings, database: Database, mint: Mint) -> SignOn | None:
    if not settings.oidc_issuer:
        return None
    from web.single_sign_on import SingleSignOn  # Slow to import.

    return SingleSignOn(settings, database, mint.derived("single sign-on"))


@asynccontextmanager
async def running(
    on_failure: Callable[[BaseException], None] | None, *work: Coroutine[Any, Any, None]
) -> AsyncIterator[None]:
    """Run work beside the application until it ends. When one of it fails, the server must not go on without it."""

    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a task of the server failed", exc_info=error)
            if on_failure is not None:
                on_failure(error)

    tasks = [asyncio.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(done)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Coscribe(Starlette):
    """Starlette, but what stands before its router is for HTTP alone.

    A WebSocket route answers every error of its own as HTTP (`web.routing.Socket`), and no header is added to it. The
    three middlewares in between would be a tenth of what a handshake costs, when thousands come back at once.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["app"] = self
            await self.router(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    on_failure: Callable[[BaseException], None] | None = None,
    operator_key: str | None = None,
    authority: Authority | None = None,
    web_app: bool = True,
) -> Starlette:
    """Make the application.

    Args:
        settings: read from the environment when not given, so that this function is also a factory for ASGI servers.
        database: an open one, which stays open. Otherwise the application opens the one the settings name, and
            closes it; that one must have been brought up to date (`coscribe db upgrade`).
        on_failure: called once when nothing can be saved any more; the process should end.
        operator_key: who sends this as a token is an administrator (see `web.operator`).
        authority: knows people and their roles; by default what the settings name.
        web_app: serve the web app, too. It has to stand at the root of its host.

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
            history = HistoryProcess(given.database_url, given.history_limits)
            stack.push_async_callback(history.close)
            keeper = HistoryKeeper(history, store.history)
            keeper.start()
            stack.push_async_callback(keeper.close)
            indexer = Indexer(store.log, store.search, history)
            hub = Hub(
                WatchedLog(store.log, appended=indexer.note, checkpointed=keeper.note),
                frame=encode_frame,
                unframe=payload_of,
                frame_text=encode_text_frame,
                limits=given.room_limits,
                on_failure=on_failure,
                quarantine=store.quarantine,
                watch=_watch(given, stack),
                reporter=LogReporter(),
            )
            await hub.start()
            descriptors = asyncio.create_task(watch_descriptors())
            stack.callback(descriptors.cancel)
            stack.push_async_callback(hub.close, given.shutdown_seconds)
            state = await compose(given, store, hub, history, heart, operator_key, authority)
            stack.push_async_callback(say_the_rest, state)
            work = [state["recorder"].run(), state["watch"].run(), indexer.run()]
            if given.history_retention != "all":
                keep = Keep(given.history_retention)
                work.append(Sweeper(store, history, keep, given.history_days, store.now_ms).run())
            await stack.enter_async_context(running(on_failure, *work))
            await state["jobs"].start()
            stack.push_async_callback(state["jobs"].close)
            yield state

    app = Coscribe(
        routes=routes(StaticFiles() if web_app else None), middleware=[Middleware(SecurityHeaders)], lifespan=lifespan
    )
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
