"""A worker that does what no worker should: for the tests of `web.workers`."""

import os
import time

from web.worker import main, report


def spin(data: bytes) -> bytes:
    while True:
        pass


def sleep(data: bytes) -> bytes:
    time.sleep(3600)
    return data


def hoard(data: bytes) -> bytes:
    return bytes(10**10)


def crash(data: bytes) -> bytes:
    os.abort()


def fail(data: bytes) -> bytes:
    raise RuntimeError("a bug of ours")


def count(data: bytes) -> bytes:
    for step in range(3):
        report("steps", step, 3)
    return data


def environment(data: bytes) -> bytes:
    return "\n".join(f"{name}={value}" for name, value in os.environ.items()).encode()


def write_archive(data: bytes, file: str, content: bool, **_: object) -> bytes:
    """Never gets beyond the beginning."""
    with open(file, "wb") as target:
        target.write(b"PK")
    report("documents", 1, 1000)
    return sleep(data)


if __name__ == "__main__":
    main({task.__name__: task for task in (spin, sleep, hoard, crash, fail, count, environment, write_archive)})
