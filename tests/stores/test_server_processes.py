"""Server programs as child processes."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.stores import server_processes
from tests.support.process_ids import is_alive

from .server_processes import (
    HOST,
    PortTakenError,
    ServerCommand,
    StoreStartError,
    find_program,
    pick_free_ports,
    run_servers,
)

LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""
IGNORE_TERMINATION = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
NEVER_LISTEN = "import time; print('still loading', flush=True); time.sleep(600)"


def command(program: str, port: int, *, name: str = "fake", environment: dict[str, str] | None = None) -> ServerCommand:
    return ServerCommand(name, (sys.executable, "-c", program, str(port)), port, environment or {})


def is_open(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that the code under test starts."""
    processes: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def recording(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", recording)
    return processes


def program_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_servers_listen_inside_the_block_and_are_gone_after_it(tmp_path: Path) -> None:
    ports = pick_free_ports(2)
    commands = [command(LISTEN, port, name=f"fake{port}") for port in ports]
    with run_servers(commands, tmp_path) as process_ids:
        assert [is_open(port) for port in ports] == [True, True]
        assert [is_alive(process_id) for process_id in process_ids] == [True, True]
    assert [is_open(port) for port in ports] == [False, False]
    assert [is_alive(process_id) for process_id in process_ids] == [False, False]


def test_a_server_that_ends_is_noticed_at_once_and_its_log_shown(tmp_path: Path) -> None:
    (port,) = pick_free_ports(1)
    noisy = "import sys; print('early line'); print('line\\n' * 40, 'no such disk'); sys.exit(3)"
    with pytest.raises(StoreStartError) as caught, run_servers([command(noisy, port)], tmp_path, start_seconds=3600):
        pytest.fail("the block must not be entered")
    message = str(caught.value)
    assert f"fake ended with status 3 before it was ready on 127.0.0.1:{port}" in message
    assert message.endswith("no such disk")
    assert "early line" not in message


def test_a_server_that_never_listens_is_given_up_and_ended(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    commands = [command(NEVER_LISTEN, *pick_free_ports(1))]
    with (
        pytest.raises(StoreStartError, match=r"did not listen on 127.0.0.1:\d+ within 0.5 seconds"),
        run_servers(commands, tmp_path, start_seconds=0.5),
    ):
        pytest.fail("the block must not be entered")
    assert [process.returncode is not None for process in started] == [True]


def test_one_failing_server_takes_the_others_along(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    first, second = pick_free_ports(2)
    commands = [command(LISTEN, first, name="first"), command("raise SystemExit(1)", second, name="second")]
    with pytest.raises(StoreStartError, match="second ended with status 1"), run_servers(commands, tmp_path):
        pytest.fail("the block must not be entered")
    assert [process.returncode is not None for process in started] == [True, True]
    assert not is_open(first)


def test_a_taken_port_is_told_apart(tmp_path: Path) -> None:
    """A server that ends because its port is taken raises the error after which another port is worth a try."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        commands = [command(LISTEN, holder.getsockname()[1])]
        with pytest.raises(PortTakenError), run_servers(commands, tmp_path):
            pytest.fail("the block must not be entered")


def test_an_interrupt_during_the_start_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    def interrupt_once(seconds: float) -> None:
        monkeypatch.setattr(time, "sleep", sleep)
        raise KeyboardInterrupt

    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", interrupt_once)
    commands = [command(NEVER_LISTEN, *pick_free_ports(1))]
    with pytest.raises(KeyboardInterrupt), run_servers(commands, tmp_path):
        pytest.fail("the block must not be entered")
    assert [process.returncode is not None for process in started] == [True]


def test_an_interrupt_while_stopping_spares_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    commands = [command(IGNORE_TERMINATION + LISTEN, port, name=f"fake{port}") for port in pick_free_ports(2)]
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patched, run_servers(commands, tmp_path):
        patched.setattr(time, "sleep", interrupt)
    assert [process.wait(30) for process in started] == [-signal.SIGKILL, -signal.SIGKILL]


def test_a_server_that_ignores_termination_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_processes, "STOP_SECONDS", 0.2)
    with run_servers([command(IGNORE_TERMINATION + LISTEN, *pick_free_ports(1))], tmp_path) as process_ids:
        pass
    assert not is_alive(process_ids[0])


def test_servers_do_not_see_the_clients_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-client")
    monkeypatch.setenv("RCLONE_CONFIG", "of-the-user")
    monkeypatch.setenv("KEPT", "yes")
    show = "import json, os; print(json.dumps(dict(os.environ)), flush=True)\n"
    (port,) = pick_free_ports(1)
    with run_servers([command(show + LISTEN, port, environment={"AWS_REGION": "own"})], tmp_path):
        seen = json.loads((tmp_path / "logs" / "fake.log").read_text())
    assert "AWS_PROFILE" not in seen
    assert "RCLONE_CONFIG" not in seen
    assert (seen["KEPT"], seen["AWS_REGION"]) == ("yes", "own")


def test_a_port_in_use_is_not_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = pick_free_ports(1)
    with socket.create_server((HOST, port)):
        monkeypatch.setattr(server_processes, "_PORTS", range(port, port + 1))
        with pytest.raises(StoreStartError, match="no 1 free ports"):
            pick_free_ports(1)


def test_programs_are_looked_up_beside_the_interpreter_then_in_the_stores_folder_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [program_file(tmp_path / place / "server") for place in ("interpreter", "stores", "path")]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "interpreter" / "python"))
    monkeypatch.setenv("AIOS3_STORES_BIN", str(tmp_path / "stores"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    for place in places:
        assert find_program("server") == place
        place.unlink()
    assert find_program("server") is None


def test_an_override_alone_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program_file(tmp_path / "mine")
    program_file(tmp_path / "server")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NAMED", str(named))
    assert find_program("server", override="NAMED") == named
    named.unlink()
    assert find_program("server", override="NAMED") is None
    monkeypatch.delenv("NAMED")
    assert find_program("server", override="NAMED") == tmp_path / "server"
