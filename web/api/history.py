"""`/api/documents/{id}/history`: the timeline, who wrote what, what changed, versions, bringing a past state back."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.errors import HistoryNotFound, PermissionDenied
from collab.history.ports import EventKind, NewEvent, Version
from collab.history.timeline import TimelineQuery
from collab.types import Grant, Seq
from storage.history import check_version_name
from web.api.actors import actor_of
from web.api.bodies import Reply, Schema, iso_time, read_json, read_query, respond, to_milliseconds
from web.api.content import SEQ_MAX
from web.api.documents import restore_document
from web.history.answers import Whole
from web.security import LEAST_ROLE, Action
from web.state import AppRequest

PAGE_MAX = 200
NO_UPDATE = b"\x00\x00"

SeqNumber = Annotated[int, Field(ge=0, le=SEQ_MAX)]


def _version_name(text: str) -> str:
    name = text.strip()
    check_version_name(name)
    return name


VersionName = Annotated[str, AfterValidator(_version_name)]


class TimelinePage(Schema):
    after: Annotated[str, Field(pattern=r"^[0-9]{1,18}\.[0-9]{1,9}$")] | None = None
    """`next` of the page before."""
    limit: Annotated[int, Field(ge=1)] = 50
    user: Annotated[str, Field(max_length=1024)] | None = None
    anonymous: bool = False
    """Only what nobody signed in for."""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class DiffQuery(Schema):
    from_: SeqNumber = Field(alias="from")
    to: SeqNumber
    format: Literal["json", "html"] = "json"
    by: Literal["word", "character"] = "word"


class BlameQuery(Schema):
    at: SeqNumber | None = None


class Restoring(Schema):
    seq: SeqNumber
    block: Annotated[str, Field(max_length=64)] | None = None
    root: Annotated[str, Field(max_length=4096)] | None = None


class PerhapsRestoring(Schema):
    """Without `seq`, the document comes out of the bin."""

    seq: SeqNumber | None = None
    block: Annotated[str, Field(max_length=64)] | None = None
    root: Annotated[str, Field(max_length=4096)] | None = None


class NewVersion(Schema):
    name: VersionName
    seq: SeqNumber | None = None


class RenamedVersion(Schema):
    name: VersionName


class BroughtBack(Reply):
    seq: int
    """The row of the edit; the newest one where there was nothing to do."""
    changed: bool


class VersionReply(Reply):
    id: int
    seq: int
    name: str
    user: str | None
    at: str


class VersionList(Reply):
    versions: list[VersionReply]


async def read_timeline(request: AppRequest, grant: Grant) -> Response:
    """A page of the story, newest first; `next` is what to give as `after` for the one after it, null on the last."""
    page = read_query(request, TimelinePage)
    through, skip = (None, 0) if page.after is None else map(int, page.after.split("."))
    query = TimelineQuery(
        pause_ms=int(request.state["settings"].history_pause_seconds * 1000),
        limit=min(page.limit, PAGE_MAX),
        skip=skip,
        user_id=page.user,
        anybody=page.user is None and not page.anonymous,
        from_ms=to_milliseconds(page.since),
        to_ms=to_milliseconds(page.until),
        through=None if through is None else Seq(through),
    )
    return _json(await request.state["history"].timeline(grant.document, query))


async def read_blame(request: AppRequest, grant: Grant) -> Response:
    """Who wrote what, of the state at a seq."""
    query = read_query(request, BlameQuery)
    at = None if query.at is None else Seq(query.at)
    return _json(await request.state["history"].blame(grant.document, at))


async def read_diff(request: AppRequest, grant: Grant) -> Response:
    """What changed from one seq to another."""
    query = read_query(request, DiffQuery)
    html = query.format == "html"
    found = await request.state["history"].diff(
        grant.document, Seq(query.from_), Seq(query.to), words=query.by == "word", html=html
    )
    return Response(found, media_type="text/html; charset=utf-8", headers=_SHOWN) if html else _json(found)


_SHOWN = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"}
"""The page has its style in itself, and nothing else."""


async def restore(request: AppRequest, grant: Grant) -> Response:
    """`POST /restore`: with a seq in the body that state comes back, without one the document comes out of the bin."""
    wanted = await read_json(request, PerhapsRestoring)
    if wanted.seq is not None:
        return await _bring_back(request, grant, Seq(wanted.seq), Whole(wanted.block, wanted.root))
    if wanted.block is not None or wanted.root is not None:
        raise HTTPException(400, "a block or root comes back as it was at a seq: say which")
    if grant.role < LEAST_ROLE[Action.RESTORE]:
        raise PermissionDenied("only an owner takes a document out of the bin")
    return await restore_document(request, grant)


async def bring_back(request: AppRequest, grant: Grant) -> Response:
    wanted = await read_json(request, Restoring)
    return await _bring_back(request, grant, Seq(wanted.seq), Whole(wanted.block, wanted.root))


async def _bring_back(request: AppRequest, grant: Grant, seq: Seq, of: Whole) -> Response:
    if of.block is not None and of.root is not None:
        raise HTTPException(400, "give a block or a root, not both")
    hub, history, store = request.state["hub"], request.state["history"], request.state["database"].history
    # What was accepted before must be in the log, which is what the restoration is made from.
    head = await hub.apply(grant, NO_UPDATE)
    restoration = await history.restoration(grant.document, seq, of)
    if restoration.empty:
        return respond(BroughtBack(seq=head, changed=False))
    # Noted first: should the server end in between, the edit's authors are known all the same.
    event = await store.add_event(
        grant.document,
        NewEvent(
            EventKind.RESTORE,
            grant.user_id,
            seq,
            detail=str(of),
            client=restoration.client,
            copies=restoration.copies,
        ),
    )
    row = await hub.apply(grant, restoration.update, copies=True)
    await store.finish_restore(grant.document, event, row)
    request.state["recorder"].note(
        actor_of(request, grant), "state-restored", grant.document, seq=seq, row=row, part=str(of) or None
    )
    return respond(BroughtBack(seq=row, changed=True))


async def list_versions(request: AppRequest, grant: Grant) -> Response:
    found = await request.state["database"].history.versions(grant.document)
    return respond(VersionList(versions=[_version(version) for version in found]))


async def add_version(request: AppRequest, grant: Grant) -> Response:
    """Name a state, by default the present one."""
    new = await read_json(request, NewVersion)
    seq = await request.state["hub"].apply(grant, NO_UPDATE) if new.seq is None else Seq(new.seq)
    version = await request.state["database"].history.add_version(
        grant.document, seq=seq, name=new.name, user_id=grant.user_id
    )
    return respond(_version(version), 201)


async def rename_version(request: AppRequest, grant: Grant) -> Response:
    renamed = await read_json(request, RenamedVersion)
    version = await request.state["database"].history.rename_version(grant.document, _id(request), renamed.name)
    return respond(_version(version))


async def remove_version(request: AppRequest, grant: Grant) -> Response:
    """The name goes; the state stays."""
    await request.state["database"].history.remove_version(grant.document, _id(request))
    return Response(status_code=204)


def _id(request: AppRequest) -> int:
    text = request.path_params["version"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise HistoryNotFound("the document has no such version")
    return int(text)


def _version(version: Version) -> VersionReply:
    return VersionReply(
        id=version.id, seq=version.seq, name=version.name, user=version.user_id, at=iso_time(version.at_ms)
    )


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
