"""The web app's files: the page itself is asked for anew each time, everything with a hash in its name never again."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import anyio.to_thread
import starlette.staticfiles
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from web.state import AppRequest

DIRECTORY = Path(__file__).parent / "static"
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_REVALIDATE = {"Cache-Control": "no-cache"}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_HINT = "Coscribe runs, but its web app is not in this installation. WebSocket clients connect to /ws/{document}.\n"


class StaticFiles:
    """Serves what was in a directory when it was made: a name that is not listed cannot lead anywhere else."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._conditional = starlette.staticfiles.StaticFiles(directory=directory, check_dir=False)
        self._files: Mapping[str, Path] = MappingProxyType(
            {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
        )

    @property
    def top_level(self) -> list[str]:
        """Names beside the page, such as the manifest and the icons."""
        return sorted(
            name
            for name in self._files
            if "/" not in name and name != "index.html" and not name.endswith((".br", ".gz"))
        )

    async def page(self, request: AppRequest) -> Response:
        """The app's one page, for every address of it."""
        if "index.html" not in self._files:
            return PlainTextResponse(_HINT, headers=_REVALIDATE)
        return await self._file(request, "index.html", _REVALIDATE)

    async def asset(self, request: AppRequest) -> Response:
        """A file whose name changes with its content."""
        return await self._file(request, "assets/" + request.path_params["path"], _IMMUTABLE)

    async def top_level_file(self, request: AppRequest) -> Response:
        return await self._file(request, request.scope["path"].removeprefix("/"), _REVALIDATE)

    async def _file(self, request: AppRequest, name: str, headers: dict[str, str]) -> Response:
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404, "there is no such file")
        headers = headers | {"Vary": "Accept-Encoding"}
        accepted = _accepted_encodings(request.headers.get("accept-encoding", ""))
        for encoding, suffix in _ENCODINGS:
            if encoding in accepted and name + suffix in self._files:
                path = self._files[name + suffix]
                headers["Content-Encoding"] = encoding
                break
        response = self._conditional.file_response(path, await anyio.to_thread.run_sync(path.stat), request.scope)
        response.headers.update(headers)
        return response


def _accepted_encodings(header: str) -> set[str]:
    choices = (choice.replace(" ", "").partition(";") for choice in header.lower().split(","))
    return {name for name, _, weight in choices if weight.rstrip("0.") != "q="}
