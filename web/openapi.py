"""`/api/openapi.json`: the REST API, described from the routes and the schemas that the code itself checks with."""

import json
import re
from asyncio import to_thread
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response
from starlette.routing import BaseRoute

from web.routing import Granted, Operation, Public, Resource, Spec, Welcomed
from web.security import Rank
from web.state import AppRequest

_REF = "#/components/schemas/{model}"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
_PROBLEMS = {
    400: "The request is not well-formed",
    401: "Nobody in particular is asking, or the credentials do not count",
    403: "Whoever asks may not; or there is no such document, and they have no role in it",
    404: "There is no such thing",
    408: "The body did not come in time",
    409: "It does not go together with what is there",
    410: "There was such a state; it was thinned out",
    413: "The body is too large",
    415: "The body is of another media type than this operation takes",
    422: "There is more in it than a setting allows, or it cannot be stored",
    423: "The document is in quarantine",
    429: "Too many requests; Retry-After says when to come back",
    503: "Not just now; Retry-After says when to come back",
}
_SECURITY: list[dict[str, list[str]]] = [{"cookie": []}, {"bearer": []}]


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str


Mode = Literal["validation", "serialization"]


class Description:
    """Serves the description of a set of routes. Made when somebody first asks, in a thread: it takes as long as the
    whole start of a server."""

    def __init__(self) -> None:
        self._routes: list[BaseRoute] = []
        self._text = b""

    def describe(self, routes: list[BaseRoute]) -> None:
        self._routes = routes

    async def read(self, _request: AppRequest) -> Response:
        if not self._text:
            self._text = await to_thread(self._make)
        return Response(self._text, media_type="application/json")

    def _make(self) -> bytes:
        return json.dumps(description(self._routes), ensure_ascii=False).encode()


def description(routes: list[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    described = list(_described(routes))
    schemas, references = _components([spec for _, _, _, spec in described])
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation, spec in described:
        paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[method.lower()] = _operation(
            path, method, operation, spec, references
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Coscribe", "version": version("coscribe"), "license": {"name": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-coscribe"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _described(routes: list[BaseRoute]) -> Iterator[tuple[str, str, Operation, Spec]]:
    for route in routes:
        if isinstance(route, Resource):
            for method in _METHODS:
                operation = route.operations.get(method)
                if operation is not None and operation.spec is not None:
                    yield route.path, method, operation, operation.spec


References = Mapping[Any, Any]
"""The schema of each model, by model and mode."""


def _components(specs: list[Spec]) -> tuple[dict[str, Any], References]:
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for spec in specs:
        for model, mode in ((spec.body, "validation"), (spec.query, "validation")):
            if isinstance(model, type):
                wanted[model, mode] = None  # type: ignore[index]
        for answer in spec.answers.values():
            if isinstance(answer, type):
                wanted[answer, "serialization"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_REF)
    return definitions.get("$defs", {}), references


def _operation(path: str, method: str, operation: Operation, spec: Spec, references: References) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": re.sub(r"[^a-z]+", "_", method.lower() + _PARAMETER.sub(r"by_\1", path)),
        "summary": spec.summary,
        "description": _who(operation),
        "parameters": [*_path_parameters(path), *_query_parameters(spec)],
        "responses": {str(status): _answer(answer, references) for status, answer in spec.answers.items()},
        "security": [] if isinstance(operation, Public) else _security(operation),
    }
    problem = {"application/problem+json": {"schema": references[Problem, "serialization"]}}
    for status, meaning in _PROBLEMS.items():
        found["responses"][str(status)] = {"description": meaning, "content": problem}
    if spec.body is not None:
        found["requestBody"] = {"required": True, "content": _body(spec.body, references)}
    return found


def _who(operation: Operation) -> str:
    if isinstance(operation, Granted):
        from web.security import LEAST_ROLE

        return f"Least role in the document: {LEAST_ROLE[operation.action].name.lower()}."
    if isinstance(operation, Welcomed):
        return f"For: {operation.rank.name.lower().replace('_', ' ')}."
    return "For everybody."


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if isinstance(operation, Welcomed) and operation.rank == Rank.ANYBODY:
        return [*_SECURITY, {}]
    return _SECURITY


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 255}
        if name == "document":
            schema["pattern"] = "^[A-Za-z0-9._:~/-]+$"
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(spec: Spec) -> Iterator[dict[str, Any]]:
    if spec.query is None:
        return
    schema = spec.query.model_json_schema(ref_template=_REF)
    for name, field in schema.get("properties", {}).items():
        # A parameter that is not there is no null, whatever the schema of the code calls it.
        options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
        if len(options) == 1:
            field = {key: value for key, value in field.items() if key not in ("anyOf", "default")} | options[0]
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}


def _body(body: type[BaseModel] | str, references: References) -> dict[str, Any]:
    if isinstance(body, str):
        return {body: {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": references[body, "validation"]}}


def _answer(answer: type[BaseModel] | str | None, references: References) -> dict[str, Any]:
    if answer is None:
        return {"description": "Done"}
    if isinstance(answer, str):
        return {"description": "Done", "content": {answer: {"schema": {}}}}
    return {"description": "Done", "content": {"application/json": {"schema": references[answer, "serialization"]}}}
