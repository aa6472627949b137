"""`/api/admin/…/prune`, `purge`, `erase`, `wipe`: taking the past away, for administrators.

Each tells what would go, and does it only when it is told to: `{"dry_run": false}`.
"""

from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.companions import comments_of
from collab.errors import DocumentNotFound, DocumentQuarantined, SlowConsumer
from collab.history.thinning import Keep, Thinning
from collab.types import DocumentId, parse_document_id
from web.api.bodies import Reply, Schema, read_json, respond
from web.state import AppRequest
from web.times import DAY_MS
from web.visitor import Visitor

_TRIES = 3


class Pruning(Schema):
    older_than_days: Annotated[float, Field(ge=0, le=36_500)]
    to: Literal["daily", "none"]
    """One state a day, or only what the old edits made."""
    dry_run: bool = True
    wipe: bool = True
    """Also see to it that nothing of it is left in the database's files; once is enough after several."""


class Dry(Schema):
    dry_run: bool = True
    wipe: bool = True


class PrunedReply(Reply):
    done: bool
    through: int
    """The history begins with this seq, or with the days before that are kept."""
    rows: int
    """Stored edits that go."""
    kept: int
    """States that stay in their place."""
    bytes: int
    """How much smaller the log becomes."""


class PurgedReply(Reply):
    done: bool
    rows: int
    bytes: int
    versions: int


class ErasedReply(Reply):
    done: bool
    id: str
    name: str | None
    alias: str
    documents: int
    sign_ins: int
    tokens: int
    audit_entries: int


async def prune(request: AppRequest, visitor: Visitor) -> Response:
    wanted = await read_json(request, Pruning)
    document, database = _document(request), request.state["database"]
    info = await database.documents.get(document)
    if info.quarantine is not None:
        raise DocumentQuarantined("a document in quarantine is left as it is")
    before_ms = database.now_ms() - int(wanted.older_than_days * DAY_MS)
    for _ in range(_TRIES):
        thinning = await request.state["history"].thinning(document, before_ms, Keep(wanted.to))
        if thinning is None:
            return respond(PrunedReply(done=False, through=0, rows=0, kept=0, bytes=0))
        if wanted.dry_run:
            return respond(_pruned(thinning, done=False))
        if await database.retention.thin(document, thinning, visitor.actor):
            if wanted.wipe:
                await database.wipe()
            return respond(_pruned(thinning, done=True))
    raise SlowConsumer("somebody else is thinning this document out; try again in a moment")


async def purge(request: AppRequest, visitor: Visitor) -> Response:
    wanted = await read_json(request, Dry)
    document, retention = _document(request), request.state["database"].retention
    if wanted.dry_run:
        return respond(PurgedReply(done=False, **asdict(await retention.stored(document))))
    # Files go first: should the rest fail, the document is still in the bin, and can be purged again.
    await retention.stored(document)
    if await request.state["database"].files.alone(document):
        await request.state["blobs"].remove((await request.state["database"].documents.get(document)).epoch)
    purged = await retention.purge(document, visitor.actor)
    for each in (document, comments_of(document)):
        request.state["hub"].close_document(each, DocumentNotFound("this document was deleted"))
    if wanted.wipe:
        await request.state["database"].wipe()
    return respond(PurgedReply(done=True, **asdict(purged)))


async def erase(request: AppRequest, visitor: Visitor) -> Response:
    wanted = await read_json(request, Dry)
    person, retention = unquote(request.path_params["person"]), request.state["database"].retention
    # What was gathered until now may name them.
    await request.state["recorder"].flush()
    if wanted.dry_run:
        return respond(ErasedReply(done=False, **asdict(await retention.known(person))))
    erased = await retention.erase(person, visitor.actor)
    request.state["watch"].news(user_id=person)
    if wanted.wipe:
        await request.state["database"].wipe()
    return respond(ErasedReply(done=True, **asdict(erased)))


async def wipe(request: AppRequest, visitor: Visitor) -> Response:
    await request.state["database"].wipe()
    request.state["recorder"].note(visitor.actor, "database-wiped")
    return Response(status_code=204)


def _pruned(thinning: Thinning, *, done: bool) -> PrunedReply:
    kept = len(thinning.rows)
    return PrunedReply(
        done=done,
        through=thinning.through,
        rows=thinning.rows_before - kept,
        kept=kept,
        bytes=thinning.bytes_before - thinning.bytes_after,
    )


def _document(request: AppRequest) -> DocumentId:
    try:
        return parse_document_id(unquote(request.path_params["document"]))
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
