"""The web app's files: the page itself is asked for anew each time, everything with a hash in its name never again.

The page comes with the names of the files that it is going to need, by the first part of its address (`Link`, RFC
8288): browsers fetch them at once, instead of finding out one import after the other.

They are compressed when they are first asked for, and kept in memory: half a megabyte for all of them, and some 20 ms
for the largest. Compressed twins beside the files would have to be built, shipped and kept in step with them.
"""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import anyio.to_thread
import starlette.staticfiles
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response

from web.state import AppRequest

try:
    import brotli
except ImportError:  # PyPy, and systems that have no wheel of it: gzip has to do.
    brotli = None

DIRECTORY = Path(__file__).parent / "static"
PRELOADS: Final = "preloads.json"
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_REVALIDATE = {"Cache-Control": "no-cache"}
_HINT = "Coscribe runs, but its web app is not in this installation. WebSocket clients connect to /ws/{document}.\n"

_BROTLI_QUALITY: Final = 6
"""11 would save another tenth, and take 35 times as long while the first visitor waits."""
_GZIP_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class _Compressed:
    content: bytes
    etag: str


def _brotli(content: bytes) -> bytes:
    return bytes(brotli.compress(content, quality=_BROTLI_QUALITY))


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, _GZIP_LEVEL, mtime=0)


ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {"gzip": _gzip} if brotli is None else {"br": _brotli, "gzip": _gzip}
)
"""What we can compress with, the best first."""


class StaticFiles:
    """Serves what was in a directory when it was made: a name that is not listed cannot lead anywhere else."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._conditional = starlette.staticfiles.StaticFiles(directory=directory, check_dir=False)
        self._files: Mapping[str, Path] = MappingProxyType(
            {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
        )
        self._links = _links(directory / PRELOADS)
        self._compressed: dict[tuple[str, str], asyncio.Task[_Compressed | None]] = {}

    @property
    def top_level(self) -> list[str]:
        """Names beside the page, such as the manifest and the icons."""
        return sorted(name for name in self._files if "/" not in name and name not in ("index.html", PRELOADS))

    async def page(self, request: AppRequest) -> Response:
        """The app's one page, for every address of it."""
        if "index.html" not in self._files:
            return PlainTextResponse(_HINT, headers=_REVALIDATE)
        link = self._links.get(request.scope["path"].split("/")[1])
        return await self._file(request, "index.html", _REVALIDATE if link is None else _REVALIDATE | {"Link": link})

    async def asset(self, request: AppRequest) -> Response:
        """A file whose name changes with its content."""
        return await self._file(request, "assets/" + request.path_params["path"], _IMMUTABLE)

    async def top_level_file(self, request: AppRequest) -> Response:
        return await self._file(request, request.scope["path"].removeprefix("/"), _REVALIDATE)

    async def _file(self, request: AppRequest, name: str, headers: dict[str, str]) -> Response:
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404, "there is no such file")
        stat = await anyio.to_thread.run_sync(path.stat)
        response: Response = FileResponse(path, stat_result=stat, headers=headers | {"Vary": "Accept-Encoding"})
        # A range is one of the file as it is.
        encoding = None if "range" in request.headers else best_encoding(request.headers.get("accept-encoding", ""))
        if encoding is not None and (compressed := await self._compress(name, path, encoding)) is not None:
            response = _compressed_response(response, encoding, compressed)
        if self._conditional.is_not_modified(response.headers, request.headers):
            return starlette.staticfiles.NotModifiedResponse(response.headers)
        return response

    async def _compress(self, name: str, path: Path, encoding: str) -> _Compressed | None:
        """Once for each file, however many ask. None when that makes it no smaller."""
        task = self._compressed.get((name, encoding))
        if task is None or task.cancelled() or (task.done() and task.exception()):
            task = asyncio.create_task(anyio.to_thread.run_sync(_compress, path, encoding))
            self._compressed[name, encoding] = task
        return await asyncio.shield(task)


def _links(path: Path) -> dict[str, str]:
    """The header `Link` of the pages that have one, by the first part of their address."""
    try:
        pages: dict[str, list[str]] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return {page: ", ".join(map(_link, files)) for page, files in pages.items()}


def _link(file: str) -> str:
    # As the app asks for them: otherwise they would be fetched twice.
    return f"<{file}>; rel=modulepreload; crossorigin"


def _compress(path: Path, encoding: str) -> _Compressed | None:
    content = path.read_bytes()
    compressed = ENCODINGS[encoding](content)
    if len(compressed) >= len(content):
        return None
    return _Compressed(compressed, f'"{hashlib.sha256(compressed).hexdigest()[:32]}"')


def _compressed_response(plain: Response, encoding: str, compressed: _Compressed) -> Response:
    kept = ("Content-Type", "Last-Modified", "Cache-Control", "Vary", "Link")
    return Response(
        compressed.content,
        headers={name: plain.headers[name] for name in kept if name in plain.headers}
        | {
            "Content-Encoding": encoding,
            "ETag": compressed.etag,
        },
    )


def best_encoding(accepted: str) -> str | None:
    """The best of ours that an `Accept-Encoding` allows."""
    weights = {}
    for choice in accepted.lower().split(","):
        name, _, weight = choice.replace(" ", "").partition(";")
        weights[name] = weight.rstrip("0.") != "q="
    return next((name for name in ENCODINGS if weights.get(name, weights.get("*", False))), None)
