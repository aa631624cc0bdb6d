"""Headless Chromium, driven by the Chrome DevTools protocol: pages that run scripts, and the network that they see."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

__all__ = ["CHROMIUM", "Browser", "Page", "ScriptError", "run_chromium"]

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Path of the browser, or ``None`` if none is installed."""

_OPTIONS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-sync", "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)
_NO_LIMIT: Final = -1


class ScriptError(AssertionError):
    """A script of a page has thrown, or its promise was rejected."""


class Page:
    """One tab, with a storage that ends with the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.log: list[str] = []
        """What the page wrote to its console, and the errors that no script caught."""

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol, and return its result."""
        return await self._browser.send(method, session=self._session, **parameters)

    async def open(self, url: str) -> None:
        """Load a page, and wait until its scripts have run. The page of the same URL is loaded again."""
        loaded = self._browser.expect("Page.loadEventFired", self._session)
        await self.send("Page.navigate", url=url)
        await loaded

    async def run(self, function: str, *arguments: object) -> Any:
        """Call a function of JavaScript with values of JSON, await its promise, and return its value.

        Raises:
            ScriptError: it has thrown; the message has what the page wrote to its console.
        """
        call = f"({function})({', '.join(map(json.dumps, arguments))})"
        result = await self.send("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            thrown = details.get("exception", {})
            raise ScriptError("\n".join([str(thrown.get("description", thrown) or details["text"]), *self.log]))
        return result["result"].get("value")

    async def limit_uploads(self, rate: float | None) -> None:
        """Set how many bytes a second the page may send; ``None`` for any."""
        throughput = _NO_LIMIT if rate is None else rate
        await self.send(
            "Network.emulateNetworkConditions",
            offline=False,
            latency=0,
            downloadThroughput=_NO_LIMIT,
            uploadThroughput=throughput,
        )


class Browser:
    """Connection to a running browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._expected: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._pages: dict[str, Page] = {}

    async def new_page(self) -> Page:
        """Open a tab."""
        target = await self.send("Target.createTarget", url="about:blank")
        session = (await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network"):
            await page.send(f"{domain}.enable")
        return page

    async def send(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol, and return its result."""
        call = next(self._ids)
        future = self._calls[call] = asyncio.get_running_loop().create_future()
        to = {} if session is None else {"sessionId": session}
        await self._socket.send_json({"id": call, "method": method, "params": parameters, **to})
        return await future

    def expect(self, event: str, session: str) -> asyncio.Future[None]:
        """Return a future that is done with the next event of this name."""
        future = self._expected[session, event] = asyncio.get_running_loop().create_future()
        return future

    async def read(self) -> None:
        """Take messages until the browser ends. Then every call that waits is cancelled."""
        async for message in self._socket:
            self._take(message.json())
        for future in (*self._calls.values(), *self._expected.values()):
            future.cancel()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._end_call(self._calls.pop(message["id"]), message)
            return
        session, event = message.get("sessionId", ""), message["method"]
        if expected := self._expected.pop((session, event), None):
            expected.set_result(None)
        if page := self._pages.get(session):
            page.log += _lines_of(event, message["params"])

    @staticmethod
    def _end_call(call: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
        if call.done():
            return
        if "error" in message:
            call.set_exception(RuntimeError(message["error"]["message"]))
        else:
            call.set_result(message["result"])


def _lines_of(event: str, parameters: dict[str, Any]) -> list[str]:
    if event == "Runtime.consoleAPICalled":
        values = (str(each.get("value", each.get("description", each["type"]))) for each in parameters["args"])
        return [f"{parameters['type']}: {' '.join(values)}"]
    if event == "Runtime.exceptionThrown":
        details = parameters["exceptionDetails"]
        return [f"uncaught: {details.get('exception', {}).get('description', details['text'])}"]
    return []


@asynccontextmanager
async def run_chromium(directory: Path) -> AsyncIterator[Browser]:
    """Run a browser, whose files are in an empty directory, for the length of a block."""
    assert CHROMIUM, "install chromium"
    with (directory / "chromium.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *_OPTIONS, f"--user-data-dir={directory / 'profile'}", stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            url = await _address(directory / "profile" / "DevToolsActivePort")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                browser = Browser(socket)
                reading = group.create_task(browser.read())
                yield browser
                reading.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _address(file: Path) -> str:
    """Return the URL that the browser writes into a file when it listens."""
    async with asyncio.timeout(30):
        while not (file.exists() and len(lines := file.read_text().split()) == 2):
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
