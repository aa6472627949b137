"""`/api/documents/{id}/sharing`: who may do what with a document, and links that let people in."""

from typing import Literal, Self

from pydantic import model_validator
from starlette.responses import Response

from collab.types import Grant
from storage.accounts import Account
from storage.audit_log import Actor
from storage.errors import LinkNotValid
from storage.sharing import ShareLink, Sharing, role_name
from web.api.actors import actor_of
from web.api.bodies import Reply, Schema, iso_time, optional_time, read_json, respond, to_milliseconds
from web.api.fields import Moment, Secret, SharedRoleName
from web.api.invitations import base_url
from web.api.me import Myself, id_in_path, me_as, new_sign_in, require_safe_line, signed_in
from web.minting import Kind
from web.state import AppRequest
from web.visitor import Visitor, address_of


class GeneralReply(Reply):
    who: Literal["invited", "signed-in", "anyone"]
    role: str | None


class Member(Reply):
    id: str
    name: str
    role: str


class LinkReply(Reply):
    id: str
    role: str
    created_at: str
    created_by: str | None
    expires_at: str | None
    uses: int


class SharingReply(Reply):
    document: str
    role: str
    general: GeneralReply
    people: list[Member]
    links: list[LinkReply]


class GeneralBody(Schema):
    who: Literal["invited", "signed-in", "anyone"]
    role: SharedRoleName | None = None

    @model_validator(mode="after")
    def _role_fits(self) -> Self:
        if (self.role is None) != (self.who == "invited"):
            raise ValueError("'invited' goes without a role, the others go with one")
        return self


class RoleBody(Schema):
    role: SharedRoleName


class OwnerBody(Schema):
    person: str


class NewLink(Schema):
    role: SharedRoleName
    expires_at: Moment | None = None


class MadeLink(Reply):
    link: LinkReply
    url: str


class LinkOpening(Schema):
    secret: Secret


class OpenedLink(Reply):
    document: str
    role: str
    person: Myself | None


async def read_sharing(request: AppRequest, grant: Grant) -> Response:
    return _reply(grant, await request.state["database"].sharing.sharing(grant.document))


async def set_general(request: AppRequest, grant: Grant) -> Response:
    body = await read_json(request, GeneralBody)
    sharing = request.state["database"].sharing
    return _changed(
        request, grant, await sharing.set_general(grant.document, body.who, body.role, actor_of(request, grant))
    )


async def give_role(request: AppRequest, grant: Grant) -> Response:
    body = await read_json(request, RoleBody)
    sharing, person = request.state["database"].sharing, request.path_params["person"]
    return _changed(request, grant, await sharing.give(grant.document, person, body.role, actor_of(request, grant)))


async def take_role(request: AppRequest, grant: Grant) -> Response:
    sharing, person = request.state["database"].sharing, request.path_params["person"]
    return _changed(request, grant, await sharing.take(grant.document, person, actor_of(request, grant)))


async def leave(request: AppRequest, grant: Grant) -> Response:
    """Give one's own role back."""
    await request.state["database"].sharing.take(grant.document, grant.user_id or "", actor_of(request, grant))
    request.state["watch"].news(document=grant.document)
    return Response(status_code=204)


async def transfer(request: AppRequest, grant: Grant) -> Response:
    body = await read_json(request, OwnerBody)
    sharing = request.state["database"].sharing
    return _changed(request, grant, await sharing.transfer(grant.document, body.person, actor_of(request, grant)))


async def create_link(request: AppRequest, grant: Grant) -> Response:
    body = await read_json(request, NewLink)
    secret, digest = request.state["mint"].make(Kind.SHARE_LINK)
    link = await request.state["database"].sharing.create_link(
        grant.document, digest, body.role, to_milliseconds(body.expires_at), actor_of(request, grant)
    )
    url = f"{base_url(request)}/d/{grant.document}#key={secret}"
    return respond(MadeLink(link=_link(link), url=url), 201)


async def revoke_link(request: AppRequest, grant: Grant) -> Response:
    sharing, link = request.state["database"].sharing, id_in_path(request, "link")
    return _changed(request, grant, await sharing.revoke_link(grant.document, link, actor_of(request, grant)))


async def open_link(request: AppRequest, visitor: Visitor) -> Response:
    """Whoever has the link has its role: remembered for who is signed in, and for a guest of one browser otherwise."""
    opening = await read_json(request, LinkOpening)
    state = request.state
    digest = state["mint"].digest(Kind.SHARE_LINK, opening.secret.get_secret_value())
    if digest is None:
        await state["throttle"].secret(visitor.address)
        raise LinkNotValid("this link does not work: it has expired or was revoked")
    sharing = state["database"].sharing
    await sharing.find_link(digest)
    account, secret, expires_ms = await _holder(request, visitor)
    document, role = await sharing.hold_link(digest, account, Actor(account.id, account.name, visitor.address))
    state["watch"].news(document=document)
    me = await me_as(request, account, expires_ms)
    response = respond(OpenedLink(document=document, role=role.name.lower(), person=me.person))
    return response if secret is None else signed_in(request, response, secret)


async def _holder(request: AppRequest, visitor: Visitor) -> tuple[Account, str | None, int]:
    if visitor.account is not None:
        return visitor.account, None, int((visitor.expires_at or 0) * 1000)
    require_safe_line(request)
    await request.state["throttle"].sign_in(address_of(request), "")
    secret, new = new_sign_in(request)
    return await request.state["database"].accounts.begin_guest(new), secret, new.expires_at_ms


def _changed(request: AppRequest, grant: Grant, sharing: Sharing) -> Response:
    request.state["watch"].news(document=grant.document)
    return _reply(grant, sharing)


def _reply(grant: Grant, sharing: Sharing) -> Response:
    return respond(
        SharingReply(
            document=grant.document,
            role=grant.role.name.lower(),
            general=GeneralReply(who=sharing.general.who, role=role_name(sharing.general.role)),
            people=[Member(id=each.id, name=each.name, role=role.name.lower()) for each, role in sharing.people],
            links=[_link(link) for link in sharing.links],
        )
    )


def _link(link: ShareLink) -> LinkReply:
    return LinkReply(
        id=str(link.id),
        role=link.role.name.lower(),
        created_at=iso_time(link.created_at_ms),
        created_by=link.created_by,
        expires_at=optional_time(link.expires_at_ms),
        uses=link.uses,
    )
