"""The description of the API, and the API held against it by schemathesis: no answer is a fault, or not described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.people import CHEAP, PASSWORD, first_run_link
from tests.servers import ServerProcess
from web.openapi import description
from web.routes import routes
from web.routing import Public, Resource
from web.static_files import StaticFiles

pytestmark = pytest.mark.xdist_group("openapi")

EVERY = routes(StaticFiles(Path("/nonexistent")))
DESCRIPTION = description(EVERY)
schemathesis.serializer.alias("application/zip", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8
"""For each operation: enough to find what is wrong with a schema, and seconds instead of minutes."""


def operations() -> list[tuple[str, str]]:
    return [(method, path) for path, item in DESCRIPTION["paths"].items() for method in item]


def test_every_operation_of_the_api_is_described() -> None:
    described = set(operations())
    for route in EVERY:
        if isinstance(route, Resource) and route.path.startswith("/api/") and route.path != "/api/openapi.json":
            for method, operation in route.operations.items():
                assert not isinstance(operation, Public)
                path = route.path.replace(":path", "")
                assert (method.lower(), path) in described, f"{method} {path} has no Spec"


def test_operations_have_names_of_their_own() -> None:
    names = [item["operationId"] for path in DESCRIPTION["paths"].values() for item in path.values()]
    assert len(names) == len(set(names))


class Administrator:
    """Signed in, with a document."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url
        self._http = httpx.Client(base_url=server.url, headers={"origin": server.url}, trust_env=False, verify=False)
        secret = first_run_link(server).partition("#")[2]
        body = {"secret": secret, "name": "Ada", "password": PASSWORD}
        assert self._http.post("/api/invitations/accept", json=body).status_code == 201
        assert self._http.post("/api/documents", json={"id": "plans"}).status_code == 201

    def headers(self) -> dict[str, str]:
        """As somebody who is signed in, whatever the call before did."""
        person = self._http.get("/api/me").json()["person"]
        if person is None:
            body = {"name": "Ada", "password": PASSWORD}
            assert self._http.post("/api/sign-in", json=body).status_code == 200
        elif person["name"] != "Ada":
            assert self._http.patch("/api/me", json={"name": "Ada"}).status_code == 200
        if self._http.post("/api/documents/plans/restore").status_code == 404:
            self._http.post("/api/documents", json={"id": "plans"})
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        return {"cookie": cookies, "origin": self.url}

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administrator]:
    limits: dict[str, Any] = {"sign_ins_per_minute_max": 100_000, "refused_tokens_per_minute_max": 100_000}
    with ServerProcess(tmp_path_factory.mktemp("openapi"), auth="accounts", **CHEAP, **limits) as server:
        administrator = Administrator(server)
        yield administrator
        administrator.close()


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_a_fault_of_ours_or_one_that_is_not_described(
    case: schemathesis.Case[Any], administrator: Administrator
) -> None:
    # Names made up at random rarely belong to a document; every other time it is one that exists.
    name = str(case.path_parameters.get("document", ""))
    if name and len(name) % 2:
        case.path_parameters["document"] = "plans"
    response = case.call(base_url=administrator.url, headers=administrator.headers())
    case.validate_response(response, checks=CHECKS)
