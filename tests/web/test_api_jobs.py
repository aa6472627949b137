"""REST: exports and imports of many documents, the jobs they are, and one document as a file."""

import asyncio
import contextlib
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.audit_log import Filter
from tests.support import eventually
from tests.web.conftest import Running, make_settings, running
from tests.web.edits import text_of, text_update
from tests.web.test_api_documents import create, problem, url
from tests.web.test_api_updates import post
from tests.web.test_workers import STRANGE, workers_running
from web.scratch import Scratch
from web.workers import Workers

ZIP = {"content-type": "application/zip"}


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Running]:
    """An empty server."""
    (tmp_path / "other").mkdir()
    async with running(make_settings(tmp_path / "other", archive_bytes_max=200_000)) as server:
        yield server


async def begin(http: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    response = await http.post("/api/admin/exports", json=asked)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/admin/jobs/{job['id']}"
    return job


async def ended(http: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await http.get(f"/api/admin/jobs/{job['id']}")).json()
        return None if found["state"] == "running" else found

    return await eventually(look, "the end of a job", within=30)


async def exported(http: httpx.AsyncClient, **asked: Any) -> bytes:
    job = await ended(http, await begin(http, **asked))
    assert job["state"] == "done", job
    response = await http.get(job["download"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"].startswith("attachment; ")
    assert len(response.content) == job["result"]["bytes"]
    return response.content


async def imported(http: httpx.AsyncClient, archive: bytes, query: str = "") -> dict[str, Any]:
    response = await http.post(f"/api/admin/imports{query}", content=archive, headers=ZIP)
    assert response.status_code == 202, response.text
    return await ended(http, response.json())


async def audited(server: Running) -> list[tuple[str, dict[str, Any]]]:
    await server.state["recorder"].flush()
    entries = [entry async for entry in server.state["database"].audit.export(Filter())]
    return [(entry.action, entry.details) for entry in entries if "import" in entry.action or "export" in entry.action]


def slow(server: Running) -> None:
    """From now on exports never end by themselves."""
    server.state["jobs"]._workers = Workers(server.state["settings"].archive_limits, module=STRANGE)


def files(server: Running) -> list[Path]:
    return [path for path in (server.state["settings"].data_dir / "jobs").rglob("*") if path.is_file()]


async def test_everything_goes_from_one_server_to_another(server: Running, other: Running) -> None:
    http = server.http
    await post(http, "team/plans", text_update("hello"))
    await create(http, id="gone", title="In the bin")
    await http.delete(url("gone"))
    archive = await exported(http)
    job = await imported(other.http, archive, "?prefix=from-afar/")
    assert (job["state"], job["kind"], job["prefix"], job["by"]) == ("done", "import", "from-afar/", None)
    assert {name: job["result"][name] for name in ("documents", "updates", "images", "present", "left_out")} == {
        "documents": 2,
        "updates": 1,
        "images": 0,
        "present": 0,
        "left_out": [],
    }
    assert text_of((await other.http.get(url("from-afar/team/plans", "/content?format=yjs"))).content) == "hello"
    assert (await imported(other.http, archive, "?prefix=from-afar/"))["result"]["present"] == 2
    assert [action for action, _ in await audited(server)] == ["export-started", "export-ended", "export-downloaded"]
    (_, started), (_, over), *_ = await audited(server)
    assert (started["documents"], started["format"]) == ("all", "archive")
    assert (over["state"], over["documents"], over["updates"]) == ("done", 2, 1)
    actions = [action for action, _ in await audited(other)]
    assert actions == ["import-started", "import-ended", "document-exported", "import-started", "import-ended"]
    assert [path.name for path in files(other)] == ["lock"]


async def test_a_selection_in_a_format_is_a_file_for_each_document(http: httpx.AsyncClient) -> None:
    for name in ("team/plans", "Team/Plans", "other"):
        await post(http, name, text_update(f"this is {name}"))
    selection = await exported(http, documents=["team/plans", "Team/Plans"], format="markdown")
    archive = zipfile.ZipFile(io.BytesIO(selection))
    index = json.loads(archive.read("index.json"))
    assert [(it["id"], archive.read(it["file"]).decode().strip()) for it in index["documents"]] == [
        ("team/plans", "this is team/plans"),
        ("Team/Plans", "this is Team/Plans"),
    ]
    assert [it["file"] for it in index["documents"]] == ["team/plans.md", "Team/Plans (2).md"]


async def test_a_document_that_cannot_be_given_is_named(server: Running) -> None:
    await post(server.http, "good", text_update("good"))
    await post(server.http, "bad", text_update("bad"))
    await server.state["database"].quarantine.admit("bad", "for the test", None)  # type: ignore[arg-type]
    job = await ended(server.http, await begin(server.http, format="text"))
    assert job["result"]["documents"] == 1
    ((left_out),) = job["result"]["left_out"]
    assert (left_out["id"], "quarantine" in left_out["reason"]) == ("bad", True)


async def test_what_cannot_be_asked_for_begins_no_job(http: httpx.AsyncClient) -> None:
    assert problem(await http.post("/api/admin/exports", json={"documents": ["nothing"]}), 404)["code"]
    bodies: list[dict[str, Any]] = [{"documents": []}, {"documents": ["a b"]}, {"format": "odt"}, {"x": 1}]
    for body in bodies:
        problem(await http.post("/api/admin/exports", json=body), 400)
    problem(await http.post("/api/admin/imports", content=b"PK"), 415)
    problem(await http.post("/api/admin/imports?prefix=a%20b", content=b"PK", headers=ZIP), 400)
    problem(await http.get("/api/admin/jobs/unknown"), 404)
    problem(await http.get("/api/admin/jobs/unknown/file"), 404)
    problem(await http.delete("/api/admin/jobs/unknown"), 404)
    assert (await http.get("/api/admin/jobs")).json() == {"jobs": [], "running_max": 1}


async def test_a_damaged_archive_fails_and_names_what_is_wrong(server: Running) -> None:
    await post(server.http, "plans", text_update("hello"))
    archive = bytearray(await exported(server.http))
    archive[archive.find(b"documents/000001/state.yjs") + 40] ^= 1
    job = await imported(server.http, bytes(archive), "?prefix=x/")
    assert job["state"] == "failed"
    assert job["problem"]["code"] == "bad-file"
    assert "documents/000001/state.yjs" in job["problem"]["detail"]
    problem(await server.http.get(url("x/plans")), 404)
    problem(await server.http.get(f"/api/admin/jobs/{job['id']}/file"), 404)
    assert len(files(server)) == 2  # The export's, and the lock.


async def test_names_with_the_prefix_that_are_no_names_fail(server: Running) -> None:
    await post(server.http, "a" * 100, text_update("hello"))
    job = await imported(server.http, await exported(server.http), f"?prefix={'b' * 200}")
    assert (job["state"], job["problem"]["code"]) == ("failed", "bad-file")


@pytest.mark.parametrize("declared", [True, False])
async def test_an_upload_that_is_too_large_ends_and_leaves_nothing(other: Running, declared: bool) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100_000_000:
            read += 50_000
            yield bytes(50_000)

    content: Any = bytes(200_001) if declared else endless()
    problem(await other.http.post("/api/admin/imports", content=content, headers=ZIP), 413)
    assert read < 1_000_000
    assert [path.name for path in files(other)] == ["lock"] * len(files(other))
    assert (await other.http.get("/api/admin/jobs")).json()["jobs"] == []
    assert (await imported(other.http, b"PK"))["state"] == "failed"  # Its place is free again.


async def test_a_bounded_number_runs_at_once_and_a_cancelled_one_ends_with_its_process(server: Running) -> None:
    slow(server)
    job = await begin(server.http)
    refused = await server.http.post("/api/admin/exports", json={})
    assert problem(refused, 429)["code"] == "too-many-requests"
    assert int(refused.headers["retry-after"]) > 0
    problem(await server.http.post("/api/admin/imports", content=b"PK", headers=ZIP), 429)

    async def under_way() -> bool:
        return (await server.http.get(f"/api/admin/jobs/{job['id']}")).json()["progress"] is not None

    await eventually(under_way, "progress", within=30)
    seen = (await server.http.get("/api/admin/jobs")).json()["jobs"][0]
    assert (seen["state"], seen["progress"]) == ("running", {"what": "documents", "done": 1, "total": 1000})
    problem(await server.http.get(f"/api/admin/jobs/{job['id']}/file"), 404)
    assert (await server.http.delete(f"/api/admin/jobs/{job['id']}")).status_code == 204
    assert workers_running() == 0
    assert [path.name for path in files(server)] == ["lock"]
    assert [action for action, _ in await audited(server)] == ["export-started", "export-ended", "export-removed"]
    assert (await audited(server))[1][1]["state"] == "cancelled"
    await begin(server.http)


async def test_a_job_ends_with_its_server_and_leaves_nothing(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path)) as server:
        slow(server)
        await begin(server.http)
        await eventually(workers_running, "a worker", within=30)
    assert workers_running() == 0
    assert [*(tmp_path / "jobs").iterdir()] == []
    async with running(make_settings(tmp_path)) as server:
        # What is written in the last moment may be there twice.
        assert [*dict.fromkeys(action for action, _ in await audited(server))] == ["export-started", "export-ended"]


async def test_the_files_of_a_server_that_was_killed_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    living = await asyncio.to_thread(Scratch.open, tmp_path / "jobs")
    dead = await asyncio.to_thread(Scratch.open, tmp_path / "jobs")
    os.close(dead._lock)  # As the kernel does.
    (dead.directory / "export.zip").write_bytes(b"PK")
    async with running(make_settings(tmp_path)):
        assert [*(tmp_path / "jobs").iterdir()] == [living.directory]
    living.close()


async def test_the_file_of_an_export_goes_after_its_time(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path, job_file_hours=0.2 / 3600)) as server:
        job = await begin(server.http)

        async def forgotten() -> bool:
            return (await server.http.get(f"/api/admin/jobs/{job['id']}")).status_code == 404

        await eventually(forgotten, "an expired job", within=30)
        assert [path.name for path in files(server)] == ["lock"]


async def test_one_document_with_its_history_or_as_it_was(server: Running, other: Running) -> None:
    http = server.http
    await post(http, "team/plans", text_update("hello"))
    for path in ("/export", "/history/export"):
        response = await http.get(url("team/plans", path))
        assert response.headers["content-disposition"] == 'attachment; filename="team_plans.zip"'
        assert int(response.headers["content-length"]) == len(response.content)
        assert zipfile.ZipFile(io.BytesIO(response.content)).testzip() is None
    assert (await imported(other.http, response.content))["result"]["documents"] == 1
    then = await http.get(url("team/plans", "/export?format=text&seq=0"))
    assert (then.content, then.headers["content-disposition"]) == (b"", 'attachment; filename="team_plans.txt"')
    assert (await http.get(url("team/plans", "/export?format=text"))).text == "hello"
    for query in ("format=odt", "seq=0", "format=archive&seq=1", "seq=-1&format=text"):
        problem(await http.get(url("team/plans", f"/export?{query}")), 400)
    problem(await http.get(url("nothing", "/export")), 404)
    assert [action for action, _ in await audited(server)] == ["document-exported"] * 4
    with contextlib.suppress(FileNotFoundError):
        assert [path.name for path in files(server)] == ["lock"]
