"""`/api/documents`: the documents there are, and their names, titles and bin."""

import secrets
import string
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.companions import commented_by, comments_of
from collab.errors import DocumentNotFound, PermissionDenied
from collab.types import DocumentId, Grant, Role, parse_document_id
from storage.documents import IN_BIN, Choice, DocumentInfo, Place, QuarantineInfo, check_title
from storage.sharing import Person
from web.api.actors import actor_of
from web.api.bodies import Reply, Schema, iso_time, optional_time, read_json, read_query, respond
from web.security import Action
from web.state import AppRequest
from web.visitor import Visitor

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 20
"""119 bits: nobody finds a document by guessing."""
PAGE_MAX = 100
_NO_NAME = "nobody has a name here, so nobody has stars"
_DIGITS = 18
"""Fewer than these a time in milliseconds has, for a long while."""


def _title(text: str) -> str:
    check_title(text)
    return text.strip()


Title = Annotated[str, AfterValidator(_title)]


class NewDocument(Schema):
    id: str | None = None
    title: Title = ""
    copy_of: str | None = None
    """A document whose content it begins with."""


class Renaming(Schema):
    title: Title


class ListQuery(Schema):
    after: Annotated[str, Field(max_length=400)] | None = None
    """The `next` of the page before."""
    limit: Annotated[int, Field(ge=1)] = PAGE_MAX
    q: str | None = None
    """Text in names and titles, or words in what the documents say."""
    order: Literal["name", "changed"] = "name"
    """`changed`: what was changed last comes first."""
    starred: bool = False
    shared: bool = False
    """Only what belongs to somebody else."""
    deleted: bool = False
    quarantined: bool = False
    scope: Literal["mine", "all"] = "mine"


class PersonReply(Reply):
    id: str
    name: str


class Quarantine(Reply):
    """The document is not loaded, because what is stored of it is damaged."""

    reason: str
    at: str
    readable: bool


class DocumentReply(Reply):
    id: str
    title: str
    epoch: str
    head: int
    created_at: str
    updated_at: str
    deleted_at: str | None
    quarantine: Quarantine | None
    role: str
    """What whoever asks may do with it."""
    owner: PersonReply | None


class OneDocument(DocumentReply):
    commented: bool
    """There are comments on it, in its companion; perhaps none that is left."""


class ListedReply(DocumentReply):
    starred: bool
    excerpt: str | None
    """What stands in it round what was searched for."""


class DocumentPage(Reply):
    documents: list[ListedReply]
    next: str | None


async def list_documents(request: AppRequest, visitor: Visitor) -> Response:
    """A page of documents; `next` is what to give as `after` for the one that follows, null on the last."""
    query = read_query(request, ListQuery)
    choice = _choice(visitor, query)
    if query.scope == "all" and not visitor.administrator:
        raise PermissionDenied("the list of all documents is for administrators")
    limit = min(query.limit, PAGE_MAX)
    found = await _find(request, visitor, choice, query, limit + 1)
    page = found[:limit]
    names, database = [info.id for info, _, _ in page], request.state["database"]
    starred = await database.stars.among(names, visitor.user_id) if visitor.user_id is not None else ()
    excerpts = await database.search.excerpts(names, query.q) if query.q else {}
    listed = [
        ListedReply(**reply(info, role, owner).model_dump(), starred=info.id in starred, excerpt=excerpts.get(info.id))
        for info, role, owner in page
    ]
    more = _after(choice, page[-1][0]) if len(found) > limit else None
    return respond(DocumentPage(documents=listed, next=more))


Found = tuple[DocumentInfo, Role, Person | None]


def _choice(visitor: Visitor, query: ListQuery) -> Choice:
    """
    Raises:
        HTTPException: 400, `after` is not from a page in this order; or nobody has a name here, and so no stars.
    """
    if query.starred and visitor.user_id is None:
        raise HTTPException(400, _NO_NAME)
    choice = Choice(
        query=query.q,
        deleted=query.deleted,
        quarantined=query.quarantined,
        starred_by=visitor.user_id if query.starred else None,
        newest_first=query.order == "changed",
    )
    if query.after is None:
        return choice
    at_ms, point, name = query.after.partition(".") if choice.newest_first else ("0", ".", query.after)
    try:
        if not (point and at_ms.isascii() and at_ms.isdecimal() and len(at_ms) < _DIGITS):
            raise ValueError("after is the next of a page in the same order")
        place = Place(int(at_ms), parse_document_id(name))
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    return replace(choice, before=place) if choice.newest_first else replace(choice, after=place.name)


def _after(choice: Choice, last: DocumentInfo) -> str:
    if not choice.newest_first:
        return last.id
    return f"{last.updated_at_ms if last.deleted_at_ms is None else last.deleted_at_ms}.{last.id}"


async def _find(request: AppRequest, visitor: Visitor, choice: Choice, query: ListQuery, limit: int) -> list[Found]:
    """The first `limit` documents of those that `visitor` may see."""
    database, account = request.state["database"], visitor.account
    found: list[Found] = []
    while len(found) < limit:
        page: list[tuple[DocumentInfo, Role | None, Person | None]]
        if account is not None and visitor.bounded:
            listed = await database.sharing.page(
                account, everything=query.scope == "all", choice=choice, shared=query.shared, limit=limit
            )
            page = [(each.info, _narrowed(visitor, each.info.id, each.role), each.owner) for each in listed]
        else:
            infos = await database.documents.choose(choice, limit=limit)
            roles = await _roles(request, visitor, [info.id for info in infos])
            page = [(info, role, None) for info, role in zip(infos, roles, strict=True)]
        shown = [each for each in page if commented_by(each[0].id) is None]
        found += [(info, role, owner) for info, role, owner in shown if role is not None]
        if len(page) < limit:
            break
        last = page[-1][0]
        at_ms = last.updated_at_ms if last.deleted_at_ms is None else last.deleted_at_ms
        choice = replace(choice, **({"before": Place(at_ms, last.id)} if choice.newest_first else {"after": last.id}))
    return found[:limit]


def _narrowed(visitor: Visitor, document: DocumentId, role: Role) -> Role | None:
    """What a person's token leaves of their role."""
    if visitor.scope is None:
        return role
    limit = visitor.scope_role(document)
    return None if limit is None else min(role, limit)


async def _roles(request: AppRequest, visitor: Visitor, documents: list[DocumentId]) -> list[Role | None]:
    if visitor.administrator:
        return [Role.OWNER for _ in documents]
    if request.state["settings"].auth == "application":
        return await request.state["door"].roles(visitor, documents)
    return [visitor.scope_role(document) for document in documents]


async def create_document(request: AppRequest, visitor: Visitor) -> Response:
    new = await read_json(request, NewDocument)
    if new.copy_of is None:
        return await created(request, await create(request, visitor, new.id, new.title))
    source = await request.state["door"].grant(visitor, new.copy_of, Action.READ)
    state = await request.state["hub"].state(source)
    grant = await create(request, visitor, new.id, new.title)
    try:
        await _copy_files(request, source, grant)
        await request.state["hub"].apply(grant, state)
    except BaseException:
        await request.state["database"].documents.delete(grant.document)
        raise
    return await created(request, grant)


async def create(request: AppRequest, visitor: Visitor, name: str | None, title: str) -> Grant:
    """A new, empty document of whoever asks; without a name it gets one that nobody guesses.

    Raises:
        HTTPException, PermissionDenied, DocumentExists.
    """
    if name is None:
        name = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    grant = await request.state["door"].grant(visitor, name, Action.CREATE)
    database = request.state["database"]
    if visitor.account is not None:
        await database.sharing.create_document(grant.document, title, visitor.account, visitor.actor)
    else:
        await database.documents.create(grant.document, title)
        request.state["recorder"].note(visitor.actor, "document-created", grant.document)
    return grant


async def _copy_files(request: AppRequest, source: Grant, copy: Grant) -> None:
    """A document refers to its images by what is in them, and each has its own."""
    database, blobs = request.state["database"], request.state["blobs"]
    epoch = (await database.documents.get(copy.document)).epoch
    for file, source_epoch in await database.files.all(source.document):
        content = await blobs.get(source_epoch, file.digest)
        if content is not None:
            await blobs.put(epoch, file.digest, content)
            await database.files.add(copy.document, file, copy.user_id, request.state["settings"].files_bytes_max)


async def created(request: AppRequest, grant: Grant) -> Response:
    """The answer to making a document."""
    info = await request.state["database"].documents.get(grant.document)
    answer = await _reply_to(request, grant, info)
    return respond(answer, 201, {"Location": f"/api/documents/{quote(grant.document, safe='')}"})


async def read_document(request: AppRequest, grant: Grant) -> Response:
    return respond(await _reply_to(request, grant, await request.state["database"].documents.get(grant.document)))


async def rename_document(request: AppRequest, grant: Grant) -> Response:
    renaming = await read_json(request, Renaming)
    info = await request.state["database"].documents.rename(grant.document, renaming.title)
    return respond(await _reply_to(request, grant, info))


async def delete_document(request: AppRequest, grant: Grant) -> Response:
    """Into the bin; whoever has the document open is sent away and does not come back by itself."""
    await request.state["database"].documents.delete(grant.document)
    for each in (grant.document, comments_of(grant.document)):
        request.state["hub"].close_document(each, DocumentNotFound(IN_BIN))
    request.state["watch"].news(document=grant.document)
    request.state["recorder"].note(actor_of(request, grant), "document-deleted", grant.document)
    return Response(status_code=204)


async def restore_document(request: AppRequest, grant: Grant) -> Response:
    info = await request.state["database"].documents.restore(grant.document)
    request.state["recorder"].note(actor_of(request, grant), "document-restored", grant.document)
    return respond(await _reply_to(request, grant, info))


async def star_document(request: AppRequest, grant: Grant) -> Response:
    """For whoever asks; nobody else sees it."""
    await request.state["database"].stars.give(grant.document, _name_of(grant))
    return Response(status_code=204)


async def unstar_document(request: AppRequest, grant: Grant) -> Response:
    await request.state["database"].stars.take(grant.document, _name_of(grant))
    return Response(status_code=204)


def _name_of(grant: Grant) -> str:
    if grant.user_id is None:
        raise HTTPException(400, _NO_NAME)
    return grant.user_id


async def _reply_to(request: AppRequest, grant: Grant, info: DocumentInfo) -> OneDocument:
    accounts = request.state["settings"].auth == "accounts"
    database = request.state["database"]
    owner = await database.sharing.owner(grant.document) if accounts else None
    try:
        commented = (await database.documents.get(comments_of(grant.document))).head > 0
    except DocumentNotFound:
        commented = False
    return OneDocument(**dict(reply(info, grant.role, owner)), commented=commented)


async def release_document(request: AppRequest, grant: Grant) -> Response:
    """Out of quarantine, if all of it can be loaded."""
    await request.state["hub"].release(grant.document)
    request.state["recorder"].note(actor_of(request, grant), "document-released", grant.document)
    return respond(await _reply_to(request, grant, await request.state["database"].documents.get(grant.document)))


def document_json(info: DocumentInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "title": info.title,
        "epoch": info.epoch,
        "head": info.head,
        "created_at": iso_time(info.created_at_ms),
        "updated_at": iso_time(info.updated_at_ms),
        "deleted_at": optional_time(info.deleted_at_ms),
        "quarantine": None if info.quarantine is None else _quarantine_json(info.quarantine),
    }


def _quarantine_json(quarantine: QuarantineInfo) -> dict[str, Any]:
    return {"reason": quarantine.reason, "at": iso_time(quarantine.at_ms), "readable": quarantine.readable}


def reply(info: DocumentInfo, role: Role, owner: Person | None) -> DocumentReply:
    return DocumentReply(
        **document_json(info),
        role=role.name.lower(),
        owner=None if owner is None else PersonReply(id=owner.id, name=owner.name),
    )
