"""Yjs updates of version 2, as Yjs writes them, become what Yjs writes of the same document in version 1."""

import base64
import contextlib
import json
import random
import subprocess

import pytest

from collab.errors import BadFile, LimitExceeded
from collab.imports.yjs_v2 import to_version_1
from collab.scanner import STATE_LIMITS, scan_update
from tests.interop.node import HERE, require_node
from tests.moving.test_damage import damage


def made(seed: int, count: int) -> list[tuple[bytes, bytes]]:
    command = [require_node(), str(HERE / "version2.mjs"), str(seed), str(count)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [(base64.b64decode(one), base64.b64decode(other)) for one, other in json.loads(done.stdout)]


def test_as_yjs_writes_it(seed: int) -> None:
    for version2, version1 in made(seed % 2**31, 30):
        converted = to_version_1(version2, 10_000_000)
        scan_update(converted, STATE_LIMITS)
        assert converted == version1
        with pytest.raises(LimitExceeded):
            to_version_1(version2, 50)


def test_damaged_anywhere_it_is_read_or_refused(rng: random.Random) -> None:
    (whole, _) = made(1, 1)[0]
    for _ in range(500):
        with contextlib.suppress(BadFile, LimitExceeded):
            to_version_1(damage(rng, whole), 1_000_000)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\0\0\0\0\0\0\0\0\0\0", b"\0" * 30 + b"\x01"])
def test_nonsense(data: bytes) -> None:
    with pytest.raises(BadFile):
        to_version_1(data, 1000)
