"""Encode a film in chunks on the workers of a Dask cluster, as one fragmented MP4 in a store.

    python examples/dask_video.py [FILE] [--chunks 6] [--seconds 2] [--workers 2]

Each worker encodes its chunks with ffmpeg, and sends the bytes to the store as they
come. Only sizes and ETags come here. The cluster and the store run on this machine;
the film is ffmpeg's test pattern with noise. FILE gets a copy of the object.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final

from distributed import Client, LocalCluster

from aios3 import S3StorageDriver, UploadReceipt, command_output
from aios3.dask import upload_from_workers
from aios3.testing import S3Server

BUCKET, KEY = "videos", "film.mp4"

REPEATABLE: Final = ["-threads", "1", "-bitexact"]
"""A second run gives the same bytes."""
ENCODER: Final = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", *REPEATABLE]
"""Without B-frames, so that no chunk needs an edit list."""
FRAGMENTS: Final = "frag_keyframe+empty_moov+default_base_moof+frag_discont+skip_trailer"
MUXER: Final = ["-f", "mp4", "-movflags", FRAGMENTS, "-use_editlist", "0", "-avoid_negative_ts", "disabled"]
"""Fragments keep the times that they have in the film."""


def make_driver() -> S3StorageDriver:
    """Make a driver here or on a worker, which reads the keys from its environment."""
    return S3StorageDriver("generic", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


async def encode(number: int, seconds: float) -> AsyncGenerator[bytes]:
    """Yield the bytes of one chunk of the film, on a worker. A chunk begins with a key frame."""
    first, last = number * seconds, (number + 1) * seconds
    film = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=640x360:rate=25,noise=alls=60:allf=t",
        "-vf",
        f"trim=start={first}:end={last}",
    ]
    output = command_output("ffmpeg", "-nostdin", "-v", "error", *film, *ENCODER, *MUXER, "-")
    async with aclosing(output if number == 0 else without_header(output)) as chunk:
        async for data in chunk:
            yield data


async def without_header(output: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield an MP4 from its first fragment on. All chunks have the same header, which the first one sends."""
    header = b""
    async with aclosing(output):
        async for data in output:
            header += data
            if (start := header.find(b"moof") - 4) >= 0:
                yield header[start:]
                break
        async for data in output:
            yield data


async def upload_film(client: Client, chunks: int, seconds: float) -> UploadReceipt:
    """Encode the chunks on the workers of a cluster, and make one object of them."""
    producers = [partial(encode, number, seconds) for number in range(chunks)]
    return await upload_from_workers(client, make_driver, BUCKET, KEY, producers, content_type="video/mp4")


async def main(file: Path | None, chunks: int, seconds: float, workers: int) -> None:
    """Run a store and a cluster, upload the film, and copy it to `file`."""
    async with S3Server() as store:
        os.environ.update(  # the workers inherit it
            AWS_ENDPOINT_URL=store.endpoint_url,
            AWS_REGION=store.region,
            AWS_ACCESS_KEY_ID=store.credentials.access_key_id,
            AWS_SECRET_ACCESS_KEY=store.credentials.secret_access_key,
        )
        async with make_driver() as driver:
            await driver.create_container(BUCKET)
            async with (
                LocalCluster(workers, threads_per_worker=1, dashboard_address=None, asynchronous=True) as cluster,
                Client(cluster, asynchronous=True) as client,
            ):
                receipt = await upload_film(client, chunks, seconds)
            print(f"{chunks} chunks are one object of {receipt.size} bytes, in {len(receipt.parts)} parts")
            if file is not None:
                await driver.download_object(BUCKET, KEY, file, overwrite=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Encode a film in chunks on the workers of a Dask cluster.")
    parser.add_argument("file", nargs="?", type=Path, help="gets a copy of the object")
    parser.add_argument("--chunks", type=int, default=6, help="pieces of the film (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="length of a piece (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    options = parser.parse_args()
    asyncio.run(main(options.file, options.chunks, options.seconds, options.workers))
