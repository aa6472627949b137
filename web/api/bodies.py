"""Reading what a request carries, within limits, and writing JSON."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.errors import MessageTooLarge
from web.state import AppRequest
from web.times import iso_time as iso_time

_PART_BYTES = 1024 * 1024


class Schema(BaseModel):
    """A request body or query: unknown fields are mistakes, not noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(frozen=True)


S = TypeVar("S", bound=Schema)


def require_media_type(request: AppRequest, media_type: str) -> None:
    """
    Raises:
        HTTPException: 415.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise HTTPException(415, f"the body must be sent as {media_type}", {"Accept": media_type})


async def read_body(request: AppRequest, bytes_max: int) -> bytes:
    """The request's body; never holds more than `bytes_max` bytes of it.

    Raises:
        MessageTooLarge: it is longer, whether or not it said so.
        HTTPException: 408, it did not come in time.
    """
    body = bytearray()
    async for chunk in _chunks(request, bytes_max, request.state["settings"].body_seconds):
        body += chunk
    return bytes(body)


async def save_body(request: AppRequest, file: Path, bytes_max: int, seconds: float) -> None:
    """Write the request's body to a new `file`; never holds more than a part of it.

    Raises: as `read_body`.
    """
    with await asyncio.to_thread(file.open, "xb") as target:
        part = bytearray()
        async for chunk in _chunks(request, bytes_max, seconds):
            part += chunk
            if len(part) > _PART_BYTES:
                await asyncio.to_thread(target.write, part)
                part = bytearray()
        await asyncio.to_thread(target.write, part)


async def _chunks(request: AppRequest, bytes_max: int, seconds: float) -> AsyncIterator[bytes]:
    too_large = MessageTooLarge(f"the body is larger than the {bytes_max} bytes this server takes here")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared) > bytes_max:
        raise too_large
    size = 0
    deadline = asyncio.get_running_loop().time() + seconds
    body = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(body, None)
        except TimeoutError:
            raise HTTPException(408, "the body of the request did not come in time") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > bytes_max:
            raise too_large
        yield chunk


async def read_json(request: AppRequest, schema: type[S]) -> S:
    """The request's JSON body; nothing at all counts as `{}`.

    Raises:
        HTTPException: 415; MessageTooLarge; ValidationError.
    """
    body = await read_body(request, request.state["settings"].body_bytes_max)
    if not body:
        return schema.model_validate({})
    require_media_type(request, "application/json")
    return schema.model_validate_json(body)


def read_query(request: AppRequest, schema: type[S]) -> S:
    """The request's query parameters.

    Raises:
        HTTPException: 400, one is given twice; ValidationError.
    """
    parameters = request.query_params.multi_items()
    names = [name for name, _ in parameters]
    if len(names) != len(set(names)):
        raise HTTPException(400, "a query parameter is given more than once")
    return schema.model_validate(dict(parameters))


def json_response(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")


def respond(reply: Reply, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(reply.model_dump_json().encode(), status, headers, media_type="application/json")


def to_milliseconds(time: datetime | None) -> int | None:
    """The other way round."""
    return None if time is None else int(time.timestamp() * 1000)


def optional_time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
