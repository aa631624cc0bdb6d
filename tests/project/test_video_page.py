"""The page on video: its examples run with a real ffmpeg, and what they make can be decoded to its last picture."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import sys

import av
import imageio_ffmpeg
import pytest

from aios3 import CommandError, TransferConfig
from tests.support.documents import page_blocks
from tests.support.places import ROOT

BLOCKS = page_blocks("docs/video.md")
PICTURES = 50
KIB = 1024


@pytest.fixture(scope="module")
def example():
    """Return the names that the examples define."""
    names: dict[str, object] = {}
    for block in BLOCKS:
        names |= block.run()
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Put a program called ``ffmpeg`` on the path."""
    (tmp_path / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def make(path, *options):
    """Make a film of `PICTURES` pictures that compress badly."""
    source = f"testsrc=size=320x240:rate=25:duration={PICTURES / 25},noise=alls=60:allf=t"
    command = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "mpeg2video", "-q:v", "3", *options]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *command, path], check=True)
    return str(path)


@pytest.fixture
def film(tmp_path):
    return make(tmp_path / "film.mkv")


@pytest.fixture
def driver(make_driver):
    return make_driver(transfer=TransferConfig(part_size=16 * KIB, memory_limit=1024 * KIB))


def pictures(body):
    with av.open(io.BytesIO(body)) as film:
        return sum(1 for _ in film.decode(video=0))


@pytest.mark.parametrize("kind", ["video/mp2t", "video/mp4", "video/matroska"])
async def test_the_output_of_ffmpeg_can_be_decoded(server, driver, example, film, kind):
    receipt = await example["transcode"](driver, film, "bucket", "key", kind)
    stored = server.objects["bucket", "key"]
    assert len(receipt.parts) > 3
    assert stored.headers["content-type"] == kind
    assert await asyncio.to_thread(pictures, stored.body) == PICTURES


async def test_ffmpeg_that_fails_publishes_nothing(server, driver, example, folder):
    (folder / "broken.mkv").write_bytes(b"no film")
    with pytest.raises(CommandError):
        await example["transcode"](driver, folder / "broken.mkv", "bucket", "key", "video/mp2t")
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_an_indexed_mp4_can_be_decoded_and_has_its_index_at_the_end(server, driver, example, film):
    receipt = await example["publish"](driver, film, "bucket", "key", 20 * KIB)
    body = server.objects["bucket", "key"].body
    assert len(receipt.parts) > 3
    assert body.index(b"mdat") < 100 < body.index(b"moov")
    assert int.from_bytes(body[body.index(b"mdat") - 4 :][:4]) > 20 * KIB
    assert await asyncio.to_thread(pictures, body) == PICTURES


async def test_an_mp4_that_must_be_read_back_is_refused_with_the_reason(server, driver, film):
    def write(file):
        with av.open(film) as given, av.open(file, "w", format="mp4", options={"movflags": "faststart"}) as made:
            stream = made.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    made.mux(packet)

    with pytest.raises(av.FFmpegError, match="cannot be read back"):
        async with driver.open_upload("bucket", "key", seekable_head=20 * KIB) as upload:
            await asyncio.to_thread(write, upload.as_file())
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_folder_of_segments_has_its_playlist_last(server, driver, example, folder, film):
    (folder / "hls").mkdir()
    make(folder / "hls" / "index.m3u8", "-g", "10", "-f", "hls", "-hls_time", "0.4", "-hls_list_size", "0")
    await example["publish_folder"](driver, folder / "hls", "bucket", "live/")
    keys = [key for _, key in server.objects]
    assert (keys[-1], len(keys)) == ("live/index.m3u8", 6)
    named = re.findall(rb"^(?!#)(.+)$", server.objects["bucket", "live/index.m3u8"].body, re.MULTILINE)
    film = b"".join(server.objects["bucket", f"live/{name.decode()}"].body for name in named)
    assert await asyncio.to_thread(pictures, film) == PICTURES


async def test_a_folder_that_grows_has_every_file_before_the_playlist_that_names_it(server, driver, example, folder):
    live = folder / "live"
    live.mkdir()
    watching = asyncio.create_task(example["publish_live"](driver, live, "bucket", "live/"))
    arguments = (live / "index.m3u8", "-g", "10", "-f", "hls", "-hls_time", "0.4", "-hls_list_size", "0")
    await asyncio.to_thread(make, *arguments)
    await server.wait_for(lambda server: any(body_ends(found) for found in server.objects.values()))
    watching.cancel()
    await asyncio.wait([watching])
    named = re.findall(rb"^(?!#)(.+)$", server.objects["bucket", "live/index.m3u8"].body, re.MULTILINE)
    assert {f"live/{name.decode()}" for name in named} <= {key for _, key in server.objects}


def body_ends(found) -> bool:
    return b"#EXT-X-ENDLIST" in found.body


RECORDER = """
import asyncio, sys
from aios3 import S3StorageDriver, TransferConfig

async def camera(path):
    with open(path, "rb") as film:
        while chunk := film.read(1880):
            yield chunk
            await asyncio.sleep(0.002)
    await asyncio.sleep(3600)

async def main(endpoint, path):
    from aios3 import Credentials
    transfer = TransferConfig(part_size=5 * 2**20)
    keys = Credentials(*sys.argv[3:5])
    options = {"endpoint_url": endpoint, "region": "us-east-1", "credentials": keys, "transfer": transfer}
    async with S3StorageDriver(**options) as driver:
        async with driver.open_upload("bucket", "key", durable_every=0.1) as upload:
            await upload.write_from(camera(path))

asyncio.run(main(*sys.argv[1:3]))
"""


async def test_a_recording_that_is_killed_goes_on_with_all_that_had_arrived(server, make_driver, example, folder):
    path = make(folder / "film.ts", "-f", "mpegts")
    film = (folder / "film.ts").read_bytes()
    arguments = [server.endpoint_url, path, server.credentials.access_key_id, server.credentials.secret_access_key]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    recorder = await asyncio.create_subprocess_exec(sys.executable, "-c", RECORDER, *arguments, env=environment)
    driver = make_driver()
    while (found := await driver.find_checkpoint("bucket", "key")) is None or found.offset < 100 * KIB:
        await asyncio.sleep(0.02)
    recorder.send_signal(signal.SIGKILL)
    await recorder.wait()
    kept = (await driver.find_checkpoint("bucket", "key")).offset

    async def camera():
        yield film[kept:]

    receipt = await example["record"](driver, camera(), "bucket", "key")
    body = server.objects["bucket", "key"].body
    assert kept >= found.offset
    assert (body == film, receipt.size) == (True, len(film))
    assert await asyncio.to_thread(pictures, body) == PICTURES
    assert (list(server.objects), server.open_uploads) == ([("bucket", "key")], [])
