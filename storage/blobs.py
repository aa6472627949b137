"""Keeps the content of files: on this machine's disk, or in an object store that speaks S3.

Rule B1: what was put is durable before `put` returns.
Rule B2: content is kept by document (its epoch) and digest. Nothing is shared between documents, so that taking one
    away takes its files, and only its files.
Rule B3: nothing that people wrote is part of a path: epochs and digests are checked before they become one.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from collab.errors import StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")

_EPOCH = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Blobs(Protocol):
    async def put(self, epoch: str, digest: str, content: bytes) -> None:
        """
        Raises:
            StoreUnavailable: it cannot be kept at present.
        """

    async def get(self, epoch: str, digest: str) -> bytes | None:
        """None where there is no such content.

        Raises:
            StoreUnavailable.
        """

    async def remove(self, epoch: str) -> None:
        """Everything of one document. Nothing to remove is no fault.

        Raises:
            StoreUnavailable.
        """


def blobs_at(files_url: str, data_dir: Path) -> Blobs:
    """Where files are kept: in an object store, or on this machine when there is none."""
    return ObjectBlobs.at(files_url) if files_url else DiskBlobs(data_dir / "files")


def _key(epoch: str, digest: str) -> str:
    if _EPOCH.fullmatch(epoch) is None or _DIGEST.fullmatch(digest) is None:
        raise ValueError("no epoch, or no digest")
    return f"{epoch}/{digest}"


class DiskBlobs:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, epoch: str, digest: str, content: bytes) -> None:
        await self._work(self._put, self._directory / _key(epoch, digest), content)

    async def get(self, epoch: str, digest: str) -> bytes | None:
        return await self._work(self._get, self._directory / _key(epoch, digest))

    async def remove(self, epoch: str) -> None:
        await self._work(self._remove, self._directory / Path(_key(epoch, "0" * 64)).parent)

    async def _work(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.to_thread(work, *args)
        except OSError as error:
            raise StoreUnavailable(f"files cannot be kept or read at present: {error.strerror}") from error

    @staticmethod
    def _put(path: Path, content: bytes) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with made.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
        for directory in (path.parent, path.parent.parent):
            _sync(directory)

    @staticmethod
    def _get(path: Path) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        return None

    @staticmethod
    def _remove(directory: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(directory)


def _sync(directory: Path) -> None:
    """A name is durable only with its directory. Windows has no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ObjectBlobs:
    """In an object store, by `obstore`: an extra that is installed with `coscribe[s3]`."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    @classmethod
    def at(cls, url: str) -> "ObjectBlobs":
        """
        Args:
            url: `s3://bucket/prefix`. Keys and endpoint come from the usual variables (`AWS_ACCESS_KEY_ID`, …).
        """
        from obstore.store import from_url  # Not part of every installation.

        return cls(from_url(url))

    async def put(self, epoch: str, digest: str, content: bytes) -> None:
        with _translated():
            await self._store.put_async(_key(epoch, digest), content)

    async def get(self, epoch: str, digest: str) -> bytes | None:
        with _translated():
            try:
                found = await self._store.get_async(_key(epoch, digest))
                return bytes(await found.bytes_async())
            except FileNotFoundError:
                return None

    async def remove(self, epoch: str) -> None:
        with _translated():
            async for page in self._store.list(str(Path(_key(epoch, "0" * 64)).parent)):
                await self._store.delete_async([item["path"] for item in page])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise StoreUnavailable("the store of files does not answer as it should") from error
