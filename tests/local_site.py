"""A site of somebody else's on a port of this machine, for tests that need one behind a real socket."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True)
class Answer:
    status: int = 200
    json: Any = None
    page: str = ""
    """HTML of a body."""
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def local_site(answer: Callable[[Asked], Answer]) -> Iterator[str]:
    """Serve until the end; gives the address.

    It is called by the name `localhost`, so that to a browser it is another site than a server at 127.0.0.1.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(b"")

        def do_POST(self) -> None:
            self.reply(self.rfile.read(int(self.headers.get("content-length", 0))))

        def reply(self, body: bytes) -> None:
            address = urlsplit(self.path)
            given = answer(Asked(address.path, dict(parse_qsl(address.query)), dict(parse_qsl(body.decode()))))
            page = f"<!doctype html><title>Elsewhere</title><link rel=icon href=data:,><body>{given.page}"
            sent = page if given.json is None else json.dumps(given.json)
            self.send_response(given.status)
            self.send_header("content-type", "text/html" if given.json is None else "application/json")
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
