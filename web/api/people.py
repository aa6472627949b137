"""`/api/people`: whom to share with; `/api/admin/people`: everybody with an account, for administrators."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from storage.accounts import Account, NewInvitation
from web.api.bodies import Reply, Schema, iso_time, optional_time, read_json, read_query, respond
from web.api.documents import PersonReply
from web.api.fields import Line
from web.api.invitations import invitation_end, join_url
from web.minting import Kind
from web.state import AppRequest
from web.visitor import Visitor

PAGE_MAX = 100


class People(Reply):
    people: list[PersonReply]


class PeopleQuery(Schema):
    q: Line = ""
    limit: Annotated[int, Field(ge=1)] = 20


class AdminPerson(Reply):
    id: str
    name: str
    email: str | None
    administrator: bool
    suspended_at: str | None
    created_at: str
    signed_in_at: str | None
    sign_ins: int
    has_password: bool


class AdminPeople(Reply):
    people: list[AdminPerson]
    next: str | None


class AdminPeopleQuery(Schema):
    q: Line | None = None
    after: Line | None = None
    limit: Annotated[int, Field(ge=1)] = PAGE_MAX


class PersonChange(Schema):
    administrator: bool | None = None
    suspended: bool | None = None


class PasswordLink(Reply):
    url: str
    expires_at: str


async def search_people(request: AppRequest, visitor: Visitor) -> Response:
    query = read_query(request, PeopleQuery)
    found = await request.state["database"].accounts.search(query.q, min(query.limit, PAGE_MAX))
    return respond(People(people=[PersonReply(id=each.id, name=each.name) for each in found]))


async def list_people(request: AppRequest, visitor: Visitor) -> Response:
    query = read_query(request, AdminPeopleQuery)
    limit = min(query.limit, PAGE_MAX)
    found = await request.state["database"].accounts.page(query=query.q, after=query.after, limit=limit + 1)
    page = found[:limit]
    people = [_reply(account, sign_ins) for account, sign_ins in page]
    return respond(AdminPeople(people=people, next=page[-1][0].name if len(found) > limit else None))


async def change_person(request: AppRequest, visitor: Visitor) -> Response:
    change = await read_json(request, PersonChange)
    person = request.path_params["person"]
    accounts = request.state["database"].accounts
    account = await accounts.change(
        person, visitor.actor, administrator=change.administrator, suspended=change.suspended
    )
    # An administrator's role is in every document, and a suspended person's tokens count nowhere.
    request.state["watch"].news(user_id=account.id)
    return respond(_reply(account, len(await accounts.sign_ins(account.pk))))


async def delete_person(request: AppRequest, visitor: Visitor) -> Response:
    account = await request.state["database"].accounts.delete(request.path_params["person"], visitor.actor)
    request.state["watch"].news(user_id=account.id)
    return Response(status_code=204)


async def sign_person_out(request: AppRequest, visitor: Visitor) -> Response:
    account = await request.state["database"].accounts.end_all(request.path_params["person"], visitor.actor)
    request.state["watch"].news(user_id=account.id)
    return Response(status_code=204)


async def make_password_link(request: AppRequest, visitor: Visitor) -> Response:
    secret, digest = request.state["mint"].make(Kind.INVITATION)
    new = NewInvitation(digest, invitation_end(request))
    await request.state["database"].accounts.password_link(request.path_params["person"], new, visitor.actor)
    return respond(PasswordLink(url=join_url(request, secret), expires_at=iso_time(new.expires_at_ms)), 201)


def _reply(account: Account, sign_ins: int) -> AdminPerson:
    return AdminPerson(
        id=account.id,
        name=account.name,
        email=account.email,
        administrator=account.administrator,
        suspended_at=optional_time(account.suspended_at_ms),
        created_at=iso_time(account.created_at_ms),
        signed_in_at=optional_time(account.signed_in_at_ms),
        sign_ins=sign_ins,
        has_password=account.has_password,
    )
