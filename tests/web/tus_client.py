"""Uploads a file with tuspy, the client of the authors of tus: in chunks, resumed, and with checksums."""

from __future__ import annotations

import sys
import urllib.request

from tusclient.client import TusClient


def main(endpoint: str, path: str) -> None:
    with open(path, "rb") as file:
        content = file.read()
    client = TusClient(endpoint)
    for name, options in {
        "chunks": {"chunk_size": 4_000_000},
        "checksums": {"chunk_size": 3_000_000, "upload_checksum": True},
        "whole with a checksum": {"upload_checksum": True},
    }.items():
        uploader = client.uploader(path, metadata={"filename": "x.mp4"}, retries=3, retry_delay=0.2, **options)
        if name == "chunks":
            uploader.upload_chunk()
            uploader = client.uploader(path, url=uploader.url, **options)
            assert uploader.offset == 4_000_000
        uploader.upload()
        with urllib.request.urlopen(uploader.url) as response:
            assert response.read() == content, name
        print("ok", name)


if __name__ == "__main__":
    main(*sys.argv[1:])
