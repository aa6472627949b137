"""`/api/invitations`: links by which somebody gets an account, becomes the first administrator, or sets a password."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from storage.accounts import PASSWORD, Invitation, NewInvitation
from storage.errors import LinkNotValid
from web.api.bodies import Reply, Schema, iso_time, read_json, respond, to_milliseconds
from web.api.fields import Email, Moment, PersonName, Secret
from web.api.me import good_password, id_in_path, me_as, new_sign_in, require_safe_line, signed_in
from web.minting import Kind
from web.settings import Settings
from web.state import AppRequest
from web.times import DAY_MS
from web.visitor import Visitor, address_of

_NO_LINK = "this link does not work: it was used, has expired or was withdrawn"


class Opening(Schema):
    secret: Secret


class Acceptance(Schema):
    secret: Secret
    name: PersonName | None = None
    email: Email | None = None
    password: Secret


class OpenedInvitation(Reply):
    kind: str
    name: str | None
    email: str | None
    administrator: bool
    invited_by: str | None
    expires_at: str


class InvitationReply(Reply):
    id: str
    kind: str
    name: str | None
    email: str | None
    administrator: bool
    invited_by: str | None
    created_at: str
    expires_at: str


class Invitations(Reply):
    invitations: list[InvitationReply]


class Invited(Reply):
    invitation: InvitationReply
    url: str


class NewInvitationBody(Schema):
    name: PersonName | None = None
    email: Email | None = None
    administrator: bool = False
    expires_at: Annotated[Moment | None, Field(description="7 days from now when it is not said")] = None


async def open_invitation(request: AppRequest, visitor: Visitor) -> Response:
    opening = await read_json(request, Opening)
    found = await request.state["database"].accounts.open_invitation(
        await _digest(request, opening.secret.get_secret_value())
    )
    return respond(
        OpenedInvitation(
            kind=found.kind,
            name=found.name,
            email=found.email,
            administrator=found.administrator,
            invited_by=found.invited_by,
            expires_at=iso_time(found.expires_at_ms),
        )
    )


async def accept_invitation(request: AppRequest, visitor: Visitor) -> Response:
    require_safe_line(request)
    given = await read_json(request, Acceptance)
    state = request.state
    digest = await _digest(request, given.secret.get_secret_value())
    invitation = await state["database"].accounts.open_invitation(digest)
    name, email = (invitation.name, invitation.email) if invitation.kind == PASSWORD else (given.name, given.email)
    if name is None:
        Acceptance.model_validate({"secret": "", "password": "", "name": ""})  # Says what a name has to be.
    assert name is not None
    password = good_password(given.password.get_secret_value(), "password", name, email)
    hashed = await state["passwords"].hash(password)
    secret, sign_in = new_sign_in(request)
    account = await state["database"].accounts.accept(
        digest, hashed, sign_in, address_of(request), name=name, email=email
    )
    state["watch"].news(user_id=account.id)
    return signed_in(request, respond(await me_as(request, account, sign_in.expires_at_ms), 201), secret)


async def _digest(request: AppRequest, secret: str) -> str:
    digest = request.state["mint"].digest(Kind.INVITATION, secret)
    if digest is None:
        await request.state["throttle"].secret(address_of(request))
        raise LinkNotValid(_NO_LINK)
    return digest


# -- for administrators -----------------------------------------------------------------------------------------------


async def list_invitations(request: AppRequest, visitor: Visitor) -> Response:
    found = await request.state["database"].accounts.invitations()
    return respond(Invitations(invitations=[_reply(invitation) for invitation in found]))


async def invite(request: AppRequest, visitor: Visitor) -> Response:
    body = await read_json(request, NewInvitationBody)
    secret, digest = request.state["mint"].make(Kind.INVITATION)
    expires_ms = to_milliseconds(body.expires_at) or invitation_end(request)
    new = NewInvitation(digest, expires_ms, body.name, body.email, body.administrator)
    made = await request.state["database"].accounts.invite(new, visitor.actor)
    return respond(Invited(invitation=_reply(made), url=join_url(request, secret)), 201)


async def withdraw(request: AppRequest, visitor: Visitor) -> Response:
    await request.state["database"].accounts.withdraw(id_in_path(request, "invitation"), visitor.actor)
    return Response(status_code=204)


def invitation_end(request: AppRequest) -> int:
    return end_of_invitation(request.state["settings"], request.state["database"].now_ms())


def end_of_invitation(settings: Settings, now_ms: int) -> int:
    return now_ms + int(settings.invitation_days * DAY_MS)


def join_url(request: AppRequest, secret: str) -> str:
    return f"{base_url(request)}/join#{secret}"


def base_url(request: AppRequest) -> str:
    """Where browsers find this server: as the operator says, or as this one found it."""
    public = request.state["settings"].public_url
    return public or f"{request.scope['scheme']}://{request.headers['host']}"


def _reply(invitation: Invitation) -> InvitationReply:
    return InvitationReply(
        id=str(invitation.id),
        kind=invitation.kind,
        name=invitation.name,
        email=invitation.email,
        administrator=invitation.administrator,
        invited_by=invitation.invited_by,
        created_at=iso_time(invitation.created_at_ms),
        expires_at=iso_time(invitation.expires_at_ms),
    )
