"""Every address of the server."""

from starlette.routing import BaseRoute

from web.api import content, documents, health, updates
from web.routing import Granted, Public, Resource, Socket, Welcomed
from web.security import Action
from web.static_files import StaticFiles
from web.sync import sync


def routes(static: StaticFiles) -> list[BaseRoute]:
    document = "/api/documents/{document}"
    return [
        Socket("/ws/{document:path}", Action.CONNECT, sync),
        Resource("/api/documents", GET=Welcomed(documents.list_documents), POST=Welcomed(documents.create_document)),
        Resource(
            document,
            GET=Granted(Action.READ, documents.read_document),
            PATCH=Granted(Action.RENAME, documents.rename_document),
            DELETE=Granted(Action.DELETE, documents.delete_document),
        ),
        Resource(f"{document}/restore", POST=Granted(Action.RESTORE, documents.restore_document)),
        Resource(f"{document}/release", POST=Granted(Action.RELEASE, documents.release_document)),
        Resource(f"{document}/content", GET=Granted(Action.READ, content.read_content)),
        Resource(
            f"{document}/updates",
            GET=Granted(Action.READ, updates.read_updates),
            POST=Granted(Action.APPEND, updates.append_update),
        ),
        Resource("/healthz", GET=Public(health.live)),
        Resource("/readyz", GET=Public(health.ready)),
        Resource("/metrics", GET=Public(health.metrics)),
        Resource("/", GET=Public(static.page)),
        Resource("/d/{document:path}", GET=Public(static.page)),
        Resource("/assets/{path:path}", GET=Public(static.asset)),
        *(Resource(f"/{name}", GET=Public(static.top_level_file)) for name in static.top_level),
    ]
