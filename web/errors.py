"""Every refusal as `application/problem+json` (RFC 9457): one table from errors to answers.

A problem has `type` (always about:blank), `title`, `status`, `detail` (for people) and `code` (for programs). It never
holds a stack trace, and nothing that a document or a request body contained.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocket

from collab.errors import (
    BadFile,
    ClientIdInUse,
    CorruptUpdate,
    DocumentNotFound,
    DocumentQuarantined,
    ForgedAuthor,
    HistoryGone,
    HistoryNotFound,
    LimitExceeded,
    MalformedMessage,
    MessageTooLarge,
    NotAuthenticated,
    PermissionDenied,
    RoomClosed,
    SchemaTooNew,
    SlowConsumer,
    StoreUnavailable,
    UnknownMessage,
    UnsafeUpdate,
    UpdateGap,
)
from storage.errors import (
    DocumentExists,
    EntryNotFound,
    LastAdministrator,
    LinkNotValid,
    NameTaken,
    NotInBin,
    OwnerStays,
    PersonNotFound,
    StoreBroken,
)
from web.security import HttpsRequired, Suspended, WrongCredentials, WrongOrigin

log = structlog.get_logger(__name__)

_SYNC_FIRST = "read content?format=yjs, send what the server does not have, oldest first, then this update again"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    hint: str | None = None
    """What the client can do about it."""


ANSWERS: dict[type[Exception], Answer] = {
    MalformedMessage: Answer(400, "malformed-update"),
    UnknownMessage: Answer(400, "unknown-message"),
    MessageTooLarge: Answer(413, "too-large"),
    LimitExceeded: Answer(422, "limit-exceeded"),
    BadFile: Answer(422, "bad-file"),
    UnsafeUpdate: Answer(422, "unsafe-update"),
    ForgedAuthor: Answer(403, "forged-author"),
    NotAuthenticated: Answer(401, "not-authenticated", {"WWW-Authenticate": "Bearer"}),
    WrongCredentials: Answer(401, "wrong-credentials", {"WWW-Authenticate": "Bearer"}),
    PermissionDenied: Answer(403, "permission-denied"),
    WrongOrigin: Answer(403, "wrong-origin"),
    HttpsRequired: Answer(403, "https-required"),
    Suspended: Answer(403, "suspended"),
    LinkNotValid: Answer(404, "link-not-valid"),
    PersonNotFound: Answer(404, "person-not-found"),
    EntryNotFound: Answer(404, "not-found"),
    NameTaken: Answer(409, "name-taken"),
    LastAdministrator: Answer(409, "last-administrator"),
    NotInBin: Answer(409, "not-in-bin"),
    OwnerStays: Answer(409, "owner-stays"),
    DocumentNotFound: Answer(404, "document-not-found"),
    HistoryNotFound: Answer(404, "history-not-found"),
    HistoryGone: Answer(410, "history-gone"),
    DocumentExists: Answer(409, "document-exists"),
    UpdateGap: Answer(409, "update-gap", hint=_SYNC_FIRST),
    ClientIdInUse: Answer(409, "client-id-in-use"),
    RoomClosed: Answer(503, "closing", {"Retry-After": "1"}),
    SlowConsumer: Answer(503, "overloaded", {"Retry-After": "1"}),
    StoreUnavailable: Answer(503, "store-unavailable", {"Retry-After": "2"}),
    StoreBroken: Answer(503, "store-broken"),
    SchemaTooNew: Answer(503, "schema-too-new"),
    CorruptUpdate: Answer(500, "document-damaged"),
    DocumentQuarantined: Answer(423, "document-quarantined"),
    # Nobody is there to read this one; it only ends the request.
    ClientDisconnect: Answer(400, "client-disconnected"),
}


def problem_for(error: Exception) -> Response:
    """The answer to a request that ended in `error`; logs the error when it is a fault of ours."""
    answer = next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), None)
    if answer is not None:
        extensions: dict[str, Any] = {} if answer.hint is None else {"hint": answer.hint}
        if isinstance(error, NameTaken):
            extensions["errors"] = [{"field": error.field, "detail": str(error)}]
        return _problem(answer.status, str(error), answer.code, answer.headers, extensions)
    if isinstance(error, HTTPException):
        return _problem(error.status_code, error.detail, _code(error.status_code), error.headers or {})
    if isinstance(error, ValidationError):
        return _problem(400, "the request does not have the form it must have", "invalid-request", {}, _faults(error))
    log.error("request failed", exc_info=error)
    return _problem(500, "something went wrong in the server; its log has the details", "internal-error")


def described(error: Exception) -> tuple[str, str]:
    """Code and text of an error that ends no request but a job; logs it when it is a fault of ours."""
    body = json.loads(bytes(problem_for(error).body))
    return body["code"], body["detail"]


async def refuse_socket(websocket: WebSocket[Any], error: Exception) -> None:
    """Answer a WebSocket handshake with a problem instead of accepting it.

    A client that is accepted and then closed believes that the server is fine, and comes back at once, for ever.
    """
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problem_for(error))
    else:
        await websocket.close()


def _problem(
    status: int,
    detail: str,
    code: str,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code}
    content = json.dumps(body | dict(extensions or {}), ensure_ascii=False).encode()
    return Response(content, status, headers, media_type="application/problem+json")


def _code(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


def _faults(error: ValidationError) -> dict[str, Any]:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return {
        "errors": [
            {"field": ".".join(map(str, fault["loc"])), "detail": fault["msg"].removeprefix("Value error, ")}
            for fault in faults
        ]
    }
