"""People whose browser is not Chromium: Firefox over WebDriver BiDi, WebKitGTK over WebDriver.

Both are the system's own, spoken to in the two standard protocols, which need no package between them and the tests.
What goes wrong inside a page is taken down in `problems`, Content-Security-Policy violations among it.
"""

import asyncio
import glob
import itertools
import json
import os
import re
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests import setup
from tests.servers import ServerProcess, free_port
from tests.support import eventually, skip_or_fail

START_SECONDS = 40.0
ANSWER_SECONDS = 60.0
_KEYS = {"Control": "\ue009", "Shift": "\ue008", "Enter": "\ue007", "Home": "\ue011", "End": "\ue010", "\n": "\ue007"}

_READY = "() => document.querySelector('[data-testid=editor]') !== null"
_FOCUS = "() => document.querySelector('[data-testid=editor]').focus()"
_STATE = "() => document.querySelector('[data-testid=state]')?.dataset.state"
_BLOCKS = """() => {
    const copy = document.querySelector('[data-testid=editor]')?.cloneNode(true)
    if (copy === undefined) return null
    for (const caret of copy.querySelectorAll('.collaboration-caret__caret')) caret.remove()
    return [...copy.children].map((block) => block.textContent).join('\\n')
}"""
_CONTROLLED = """async () => {
    await navigator.serviceWorker.ready
    return navigator.serviceWorker.controller !== null
}"""
_TELL_VIOLATIONS = """() => addEventListener('securitypolicyviolation', (event) =>
    console.error(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"""

Actions = list[dict[str, Any]]


def require(prepare: setup.Prepare) -> None:
    """Install what a test needs where that is possible; skips the test without it."""
    try:
        prepare()
    except setup.Missing as reason:
        skip_or_fail(str(reason))


class Guest(ABC):
    """One browser with one page."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.problems: list[str] = []

    @abstractmethod
    async def goto(self, url: str) -> None: ...

    @abstractmethod
    async def reload(self) -> None: ...

    @abstractmethod
    async def run(self, function: str) -> Any:
        """What a JavaScript function without parameters returns, or its promise gives: text, number, truth, null."""

    @abstractmethod
    async def act(self, actions: Actions) -> None:
        """Key actions, as WebDriver names them."""

    async def open(self, document: str) -> None:
        await self.goto(f"{self.server.url}/d/{document}")
        await self.becomes(_READY, "the editor")

    async def becomes(self, function: str, what: str, within: float = 30) -> None:
        await eventually(lambda: self.run(function), what, within=within, every=0.1)

    async def controlled(self) -> None:
        """The service worker is complete and serves this page."""
        await self.becomes(_CONTROLLED, "the service worker")

    async def press(self, chord: str) -> None:
        """As `Control+End`."""
        codes = [_KEYS.get(name, name) for name in chord.split("+")]
        downs: Actions = [{"type": "keyDown", "value": code} for code in codes]
        await self.act(downs + [{"type": "keyUp", "value": code} for code in reversed(codes)])

    async def type(self, text: str) -> None:
        codes = [_KEYS.get(character, character) for character in text]
        await self.act([{"type": kind, "value": code} for code in codes for kind in ("keyDown", "keyUp")])

    async def write(self, text: str, *, at: str = "End") -> None:
        """Type at the end or the start (`Home`) of the whole document."""
        await self.run(_FOCUS)
        await self.press(f"Control+{at}")
        await self.type(text)

    async def text(self) -> str | None:
        """The document's blocks, one in each line, without the carets of the others."""
        text: str | None = await self.run(_BLOCKS)
        return text

    async def shows(self, text: str) -> None:
        await eventually(lambda: self._shows(text), f"{text!r} in {type(self).__name__}", every=0.1)

    async def _shows(self, text: str) -> bool:
        shown = await self.text()
        if shown != text:
            self.last_shown = shown
        return shown == text

    async def state_is(self, state: str) -> None:
        await eventually(lambda: self._state_is(state), f"the state {state!r}", within=30, every=0.1)

    async def _state_is(self, state: str) -> bool:
        return bool(await self.run(_STATE) == state)


class Firefox(Guest):
    """Its own WebDriver BiDi endpoint, one socket."""

    def __init__(self, server: ServerProcess, socket: ClientConnection) -> None:
        super().__init__(server)
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._context = ""

    @classmethod
    @asynccontextmanager
    async def launch(cls, server: ServerProcess, directory: Path) -> AsyncIterator[Self]:
        require(setup.firefox)
        await asyncio.to_thread(directory.mkdir, exist_ok=True)
        path = next(found for name in setup.FIREFOX_NAMES if (found := shutil.which(name)))
        arguments = ("--headless", "--no-remote", "--profile", str(directory), "--remote-debugging-port=0")
        async with _process(path, *arguments, home=directory, output="stderr") as output:
            address = await _line(output, r"BiDi listening on (ws://\S+)")
            async with connect(f"{address}/session", max_size=None, proxy=None) as socket:
                firefox = cls(server, socket)
                listening = asyncio.create_task(firefox._listen())
                try:
                    await firefox._begin()
                    yield firefox
                    await firefox.call("browser.close")
                finally:
                    listening.cancel()

    async def _begin(self) -> None:
        await self.call("session.new", capabilities={})
        # In the first tab it is the address bar that has the keyboard.
        self._context = (await self.call("browsingContext.create", type="tab"))["context"]
        await self.call("session.subscribe", events=["log.entryAdded"])
        await self.call("script.addPreloadScript", functionDeclaration=_TELL_VIOLATIONS)

    async def _listen(self) -> None:
        async for message in self._socket:
            answer = json.loads(message)
            if answer["type"] == "event":
                entry = answer["params"]
                if entry["level"] in ("error", "warn"):
                    self.problems.append(f"{entry['level']}: {entry['text']}")
                continue
            future = self._waiting.pop(answer["id"])
            if answer["type"] == "error":
                future.set_exception(AssertionError(f"{answer['error']}: {answer['message']}"))
            else:
                future.set_result(answer["result"])

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return await asyncio.wait_for(future, ANSWER_SECONDS)

    async def goto(self, url: str) -> None:
        await self.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def reload(self) -> None:
        await self.call("browsingContext.reload", context=self._context, wait="complete")

    async def run(self, function: str) -> Any:
        target = {"context": self._context}
        done = await self.call("script.callFunction", functionDeclaration=function, target=target, awaitPromise=True)
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return done["result"].get("value")

    async def act(self, actions: Actions) -> None:
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        await self.call("input.performActions", context=self._context, actions=[keyboard])


class WebKit(Guest):
    """WebKitGTK's MiniBrowser on a display of its own, driven by WebKitWebDriver."""

    def __init__(self, server: ServerProcess, session: httpx.AsyncClient, output: asyncio.StreamReader) -> None:
        super().__init__(server)
        self._session = session
        self._output = output

    @classmethod
    @asynccontextmanager
    async def launch(cls, server: ServerProcess, directory: Path) -> AsyncIterator[Self]:
        require(setup.webkit)
        await asyncio.to_thread(directory.mkdir, exist_ok=True)
        (browser,) = glob.glob(setup.MINI_BROWSER)[:1]
        port = free_port()
        display = ("-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
        async with _process("Xvfb", *display, home=directory, output="stdout") as screen:
            number = await _line(screen, r"^(\d+)$")
            variables = {"DISPLAY": f":{number}"}
            driver = ("WebKitWebDriver", "--host=127.0.0.1", f"--port={port}")
            async with (
                _process(*driver, home=directory, output="stdout", **variables) as output,
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=ANSWER_SECONDS
                ) as driver_http,
            ):
                await eventually(lambda: _answers(driver_http), "WebKitWebDriver", within=START_SECONDS)
                arguments = ["--automation", "--enable-write-console-messages-to-stdout=true"]
                wanted = {"webkitgtk:browserOptions": {"binary": browser, "args": arguments}}
                answer = await driver_http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
                assert answer.status_code == 200, answer.text
                session = f"/session/{answer.json()['value']['sessionId']}/"
                driver_http.base_url = driver_http.base_url.join(session)
                webkit = cls(server, driver_http, output)
                listening = asyncio.create_task(webkit._listen())
                try:
                    yield webkit
                    await driver_http.delete("")
                finally:
                    listening.cancel()

    async def _listen(self) -> None:
        while line := (await self._output.readline()).decode(errors="replace"):
            if re.match(r"CONSOLE .*(ERROR|WARN)", line):
                self.problems.append(line.strip())

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._session.post(path, json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, f"{value['error']}: {value['message']}"
        return value

    async def goto(self, url: str) -> None:
        await self._post("url", {"url": url})

    async def reload(self) -> None:
        await self._post("refresh", {})

    async def run(self, function: str) -> Any:
        script = (
            f"const done = arguments[0]; Promise.resolve(({function})()).then(done, (error) => done(String(error)))"
        )
        return await self._post("execute/async", {"script": script, "args": []})

    async def act(self, actions: Actions) -> None:
        await self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/status")).status_code == 200
    except httpx.TransportError:
        return False


async def _line(output: asyncio.StreamReader, pattern: str) -> str:
    """The first group of the first line that matches."""
    seen: list[str] = []
    async with asyncio.timeout(START_SECONDS):
        while line := (await output.readline()).decode(errors="replace").rstrip():
            seen.append(line)
            if found := re.search(pattern, line):
                return found[1]
    raise AssertionError(f"it ended without {pattern!r}: {seen}")


@asynccontextmanager
async def _process(*command: str, home: Path, output: str, **variables: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run a program until the end of the block, and with it everything that it started."""
    # WebKit's sandbox needs more than a container gives, and there is nothing here to protect anything from.
    env = os.environ | {"HOME": str(home), "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", **variables}
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    out, err = (pipe, null) if output == "stdout" else (null, pipe)
    process = await asyncio.create_subprocess_exec(*command, env=env, start_new_session=True, stdout=out, stderr=err)
    stream = process.stdout if output == "stdout" else process.stderr
    assert stream is not None
    try:
        yield stream
    finally:
        # It is the leader of a group of its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
