"""The demo and the video page, as a user runs them: programs of their own against a real store."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.stores.stores import is_available
from tests.support.places import ROOT

SIZE_MIB = 40

pytestmark = [pytest.mark.store, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _rclone_is_installed() -> None:
    if not is_available("rclone"):
        message = "rclone is not installed"
        pytest.fail(message) if os.environ.get("AIOS3_REQUIRE_STORES") == "1" else pytest.skip(message)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the demo finds the package and leaves its files in the test's folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}


@pytest.fixture
def _ctrl_c_works() -> Iterator[None]:
    """Let children hear SIGINT also where the test run itself was started in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def command(size_mib: int) -> list[str]:
    return [sys.executable, str(ROOT / "examples" / "demo.py"), "--size-mib", str(size_mib)]


def test_the_demo_uploads_reads_back_and_tells_what_it_found(environment: dict[str, str], tmp_path: Path) -> None:
    """It ends with 0, finds equal bytes twice, shows receipt and peak memory, and leaves no file."""
    done = subprocess.run(command(SIZE_MIB), env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +\d+ parts stored +\d+\.\d MiB +\d+\.\d MiB/s$", done.stdout, re.MULTILINE)
    assert "Read back as a stream: equal" in done.stdout
    assert "The plain file on disk: equal" in done.stdout
    assert f"{SIZE_MIB * 2**20} bytes" in done.stdout
    assert re.search(r"Peak memory of this process: \d+\.\d MiB", done.stdout)
    assert not list(tmp_path.iterdir())


def test_the_demo_draws_a_bar_on_a_terminal(environment: dict[str, str]) -> None:
    """On a terminal one line is drawn over and over, and ends full."""
    terminal, theirs = pty.openpty()
    with subprocess.Popen(command(SIZE_MIB), env=environment, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        output = read_to_end(terminal)
    os.close(terminal)
    assert demo.returncode == 0
    assert output.count("\r  [") > 8
    assert f"[{'#' * 30}]    8 parts stored" in output


@pytest.mark.usefixtures("_ctrl_c_works")
def test_ctrl_c_leaves_no_upload_and_no_server(environment: dict[str, str], tmp_path: Path) -> None:
    """Interrupted in the middle it says what is left, which is nothing, and ends with 130 and no traceback."""
    with subprocess.Popen(
        command(2048), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        for line in demo.stdout:
            if "parts stored" in line:
                demo.send_signal(signal.SIGINT)
                break
        output, errors = demo.stdout.read(), demo.stderr.read()
    assert (demo.returncode, errors) == (130, "")
    assert "No upload is open in the store." in output
    assert "videos/2026/demo.bin does not exist." in output
    assert not list(tmp_path.iterdir())


def test_a_missing_store_is_explained(environment: dict[str, str], tmp_path: Path) -> None:
    """Without rclone the demo ends with 1 and says how to get it."""
    environment["AIOS3_RCLONE"] = str(tmp_path / "nothing")
    done = subprocess.run(command(1), env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "rclone" in done.stderr
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr


def read_to_end(terminal: int) -> str:
    """Read what the program writes until it closes its side, which Linux tells by an error."""
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.usefixtures("_ctrl_c_works")
def test_the_video_page_is_served_until_ctrl_c_and_leaves_no_file(environment: dict[str, str], tmp_path: Path) -> None:
    """It prints its URL when the page is there, and ends with 0 and no traceback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = [sys.executable, "-m", "examples.video_page", "--port", str(port)]
    with subprocess.Popen(
        run, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as page:
        assert page.stdout is not None
        first = page.stdout.readline()
        assert f"http://127.0.0.1:{port}/" in first
        with urlopen(f"http://127.0.0.1:{port}/videos") as response:
            assert response.read() == b"[]"
        page.send_signal(signal.SIGINT)
        assert page.communicate(timeout=60)[0] == ""
    assert page.returncode == 0
    assert not list(tmp_path.iterdir())
