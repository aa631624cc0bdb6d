"""The example with a page for videos, in headless Chromium."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from aios3.testing import Fault
from tests.support.documents import page_block
from tests.support.video_page import new_store, serving_page, videos_of

from .devtools import CHROMIUM, run_chromium

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="module"),  # of the browser
]

SLOW = 4_000_000
"""Bytes a second at which an upload can be interrupted."""
CONTENT = random.Random(1).randbytes(6_000_000)

RECORD = """async (name) => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 32
    const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: 'video/webm' })
    const chunks = []
    recorder.ondataavailable = (event) => chunks.push(event.data)
    recorder.start(100)
    const context = canvas.getContext('2d')
    for (let hue = 0; hue < 360; hue += 30) {
        context.fillStyle = `hsl(${hue} 90% 50%)`
        context.fillRect(0, 0, 32, 32)
        await new Promise((resolve) => setTimeout(resolve, 40))
    }
    await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop() })
    const dropped = new DataTransfer()
    dropped.items.add(new File(chunks, name, { type: 'video/webm' }))
    document.dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }))
}"""
"""Makes a short video, and drops it on the page."""


class Visitor:
    """What a person does with the page and reads from it."""

    def __init__(self, tab, line, folder):
        self.tab = tab
        self.line = line
        self.folder = folder

    async def open(self):
        await self.tab.open(self.line.url)
        await self.sees("document.getElementById('limit').textContent")

    async def choose(self, *files, into="files"):
        found = await self.tab.send("Runtime.evaluate", expression=f"document.getElementById('{into}')")
        paths = [str(self.folder / name) for name in files]
        await self.tab.send("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=paths)

    async def press(self, words):
        """Press the first button with this name for screen readers."""
        selector = f'button[aria-label="{words}"]'
        await self.sees(f"document.querySelector('{selector}')")
        await self.tab.run("(selector) => document.querySelector(selector).click()", selector)

    async def sees(self, expression):
        """Wait until the expression is true."""
        async with asyncio.timeout(40):
            while not await self.tab.run(f"() => !!({expression})"):
                await asyncio.sleep(0.05)

    async def reads(self, words):
        await self.sees(f"document.body.innerText.includes({words!r})")

    async def is_under_way(self):
        """Wait until some bytes of the only upload are sent."""
        await self.sees("document.querySelector('progress')?.value > 0.2")


class Line:
    """Connection between the browser and the server, which can be cut."""

    def __init__(self, port):
        self._port = port
        self._writers = []
        self._tasks = set()
        self.is_cut = False

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    def cut(self):
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self):
        self.is_cut = False

    def _accept(self, reader, writer):
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, other_writer]
        if self.is_cut:
            self.cut()
        await asyncio.gather(self._pass_on(reader, other_writer), self._pass_on(other_reader, writer))

    async def _pass_on(self, reader, writer):
        with suppress(OSError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk)
                await writer.drain()
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory):
    async with run_chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def store():
    async with new_store() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser, store, tmp_path):
    """Visitor of a page at an origin of its own, so that the browser remembers no other test."""
    for name in ("cat.mp4", "dog.mp4"):
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / "notes.txt").write_bytes(b"no video")
    async with serving_page(store, MAX_SIZE="20000000") as url, Line(urlsplit(url).port) as line:
        made = Visitor(await browser.new_page(), line, tmp_path)
        await made.open()
        yield made
        await made.tab.send("Page.navigate", url="about:blank")


def creations(store):
    return sum(request.operation == "CreateMultipartUpload" for request in store.requests)


async def are_whole(visitor, store, *names):
    """Wait for the end; each upload that was begun is one that ended."""
    await visitor.tab.limit_uploads(None)
    await visitor.sees(f"document.querySelectorAll('[data-state=done]').length === {len(names)}")
    assert videos_of(store) == dict.fromkeys(names, CONTENT)
    assert creations(store) == len(names)


async def test_a_dropped_video_is_uploaded_listed_and_played(visitor, store):
    await visitor.tab.run(RECORD, "dropped.webm")
    await visitor.sees("document.querySelector('#library button')")
    assert set(videos_of(store)) == {"dropped.webm"}
    await visitor.tab.run("() => document.querySelector('#library button').click()")
    await visitor.sees("document.querySelector('#player[open] video').videoWidth === 32")
    assert visitor.tab.log == []


async def test_the_listener_of_the_page_on_web_uploads_ends_with_the_upload(visitor):
    listener = page_block("docs/web.md", "EventSource", "js").text
    closed = (
        "return new Promise((done) => { events.close = () => { delete events.close; events.close(); done(true) } })"
    )
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "4", "Upload-Metadata": "filetype dmlkZW8vbXA0"}
    async with aiohttp.ClientSession(visitor.line.url) as session, session.post("/files/", headers=headers) as made:
        assert made.status == 201, await made.text()
        url = made.headers["Location"]
        listening = asyncio.create_task(visitor.tab.run(f"(url) => {{ {listener} {closed} }}", url))
        sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        async with session.patch(url, headers=sent, data=b"film") as response:
            assert response.status == 204
    assert await asyncio.wait_for(listening, 40)


async def test_a_paused_upload_stands_still_and_resumes_where_it_was(visitor, store):
    await visitor.tab.limit_uploads(SLOW)
    await visitor.choose("cat.mp4")
    await visitor.is_under_way()
    await visitor.press("Pause cat.mp4")
    await visitor.choose("dog.mp4")
    await visitor.tab.limit_uploads(None)
    await visitor.sees("document.querySelector('[data-state=done]')")
    await visitor.reads("Paused at ")
    assert set(videos_of(store)) == {"dog.mp4"}
    await visitor.press("Resume cat.mp4")
    await are_whole(visitor, store, "cat.mp4", "dog.mp4")


async def test_an_upload_whose_connection_broke_continues_by_itself(visitor, store):
    await visitor.tab.limit_uploads(SLOW)
    await visitor.choose("cat.mp4")
    await visitor.is_under_way()
    visitor.line.cut()
    await visitor.reads("The server does not respond. Trying again in ")
    visitor.line.mend()
    await are_whole(visitor, store, "cat.mp4")


async def test_an_upload_continues_after_a_reload_with_the_same_file_only(visitor, store):
    await visitor.tab.limit_uploads(SLOW)
    await visitor.choose("cat.mp4")
    await visitor.is_under_way()
    await visitor.open()
    await visitor.reads("Choose the file again to continue.")
    await visitor.press("Choose cat.mp4")
    await visitor.choose("notes.txt", into="again")
    await visitor.reads("That is another file.")
    await visitor.choose("cat.mp4")
    await are_whole(visitor, store, "cat.mp4")


async def test_a_cancelled_upload_leaves_nothing(visitor, store):
    await visitor.tab.limit_uploads(SLOW)
    await visitor.choose("cat.mp4")
    await visitor.is_under_way()
    await visitor.press("Cancel cat.mp4")
    await store.wait_for(lambda server: not server.open_uploads and not server.objects)
    assert await visitor.tab.run("() => [document.querySelector('.upload'), localStorage.length]") == [None, 0]


async def test_what_goes_wrong_is_said_in_plain_words(visitor, store):
    store.faults.add(Fault("answer", "CreateMultipartUpload", status=507, code="InsufficientStorage"))
    with (visitor.folder / "long.mp4").open("wb") as file:
        file.truncate(20_000_001)
    await visitor.choose("notes.txt", "long.mp4", "cat.mp4")
    await visitor.reads("notes.txt: This is not a video.")
    await visitor.reads("long.mp4: The video is larger than 20\u00a0MB, which is the limit.")
    await visitor.reads("There is no room for the video.")
    await visitor.press("Try again cat.mp4")
    await visitor.sees("document.querySelector('[data-state=done]')")
    assert videos_of(store) == {"cat.mp4": CONTENT}
