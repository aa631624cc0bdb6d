"""The example that encodes a film on a cluster: what it makes can be decoded to its last picture, without a gap."""

from __future__ import annotations

import os
import subprocess
import sys

import av
import imageio_ffmpeg

from tests.support.places import ROOT


def test_chunks_that_workers_encode_are_one_film(tmp_path):
    ffmpeg, film = imageio_ffmpeg.get_ffmpeg_exe(), tmp_path / "film.mp4"
    (tmp_path / "ffmpeg").symlink_to(ffmpeg)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "examples/dask_video.py", film, "--chunks", "4", "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"4 chunks are one object of {film.stat().st_size} bytes, in 2 parts" in done.stdout
    with av.open(film) as opened:
        times = [picture.time for picture in opened.decode(video=0)]
    assert times == [number / 25 for number in range(100)]
    decoded = subprocess.run(
        [ffmpeg, "-v", "error", "-i", film, "-f", "null", "-"], capture_output=True, text=True, check=False
    )
    assert (decoded.returncode, decoded.stderr) == (0, "")
