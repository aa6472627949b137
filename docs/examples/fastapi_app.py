"""A FastAPI application with people of its own, and Coscribe in it.

    uvicorn fastapi_app:app

Clients connect to ws://…/collab/ws/TEAM/NAME (y-websocket) or ws://…/collab/ws (Hocuspocus).
"""

import secrets

from fastapi import FastAPI, HTTPException, Request, Response
from pycrdt import Text
from starlette.requests import HTTPConnection

from web.embedding import Embedded, Person, Role

# -- the application as it was: people, teams, and who is signed in

TEAMS = {"ann": {"red"}, "bob": {"red", "blue"}}
SIGNED_IN: dict[str, str] = {}


def user_of(connection: HTTPConnection) -> str | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return SIGNED_IN.get(connection.cookies.get("session") or bearer)


# -- Coscribe


async def who(connection: HTTPConnection) -> Person | None:
    user = user_of(connection)
    return None if user is None else Person(id=user, name=user.title())


async def role(person: Person, document: str) -> Role | None:
    team = document.split("/")[0]
    return Role.EDITOR if team in TEAMS[person.id] else None


coscribe = Embedded(who=who, role=role)
app = FastAPI(lifespan=coscribe.lifespan)
app.mount("/collab", coscribe)

# -- the application goes on


@app.post("/sign-in/{user}")
async def sign_in(user: str, response: Response) -> dict[str, str]:
    if user not in TEAMS:
        raise HTTPException(403)
    token = secrets.token_urlsafe()
    SIGNED_IN[token] = user
    response.set_cookie("session", token, httponly=True, samesite="lax")
    return {"token": token}


@app.post("/teams/{team}/notes")
async def add_note(team: str, text: str, request: Request) -> dict[str, str]:
    """Edits a document that people may have open: they see it at once, and history says whose it is."""
    person = await who(request)
    if person is None or team not in TEAMS[person.id]:
        raise HTTPException(403)
    async with coscribe.open(f"{team}/notes", person) as notes:
        with notes.transaction(origin="add_note"):
            notes.doc.get("text", type=Text).insert(0, f"{text}\n")
    return {"saved": text}


@app.delete("/teams/{team}/members/{user}")
async def leave(team: str, user: str) -> None:
    TEAMS[user].discard(team)
    coscribe.changed(person_id=user)  # Their open documents are closed within a second.
