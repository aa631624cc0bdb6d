from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from aios3._config.credentials import process as credential_process
from aios3._config.credentials.process import ProcessCredentials
from aios3.errors import ConfigurationError
from tests.support.credential_stand_in import NOW
from tests.support.process_ids import is_alive, is_running

KEYS = {"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "hidden", "SessionToken": "hidden-token"}


def python(program: str, *arguments: str) -> str:
    """Return a command that runs a program in Python."""
    return shlex.join([sys.executable, "-I", "-S", "-c", program, *arguments])


def printing(document: object) -> str:
    return python("import sys; print(sys.argv[1])", json.dumps(document))


async def test_the_document_that_a_program_prints_is_used(clock):
    """All of it; the arguments are split as a shell would."""
    expiration = (NOW + timedelta(hours=1)).isoformat()
    provider = ProcessCredentials(printing({**KEYS, "Expiration": expiration}), clock=clock())
    credentials = await provider.get_credentials()
    assert (credentials.access_key_id, credentials.secret_access_key) == ("K", "hidden")
    assert (credentials.session_token, credentials.expires_at) == ("hidden-token", NOW + timedelta(hours=1))


async def test_a_program_is_run_again_only_after_a_refusal(clock, tmp_path):
    count = f"import pathlib; p = pathlib.Path({str(tmp_path / 'n')!r}); n = len(p.read_text()) if p.exists() else 0; "
    program = f"{count}p.write_text('x' * (n + 1)); print('{json.dumps(KEYS)}'.replace('\"K\"', '\"K%d\"' % n))"
    provider = ProcessCredentials(python(program), clock=clock())
    first = await provider.get_credentials()
    assert await provider.get_credentials() is first
    provider.invalidate(first)
    assert (first.access_key_id, (await provider.get_credentials()).access_key_id) == ("K0", "K1")


async def test_no_shell_is_involved(clock, tmp_path):
    """What a shell would expand or run stays an argument."""
    spy = f"$(touch {tmp_path}/ran)"
    command = (
        f"{python('import sys; print(sys.argv[1])', json.dumps({**KEYS, 'AccessKeyId': spy}))} ; touch {tmp_path}/too"
    )
    provider = ProcessCredentials(command, clock=clock())
    assert (await provider.get_credentials()).access_key_id == spy
    assert list(tmp_path.iterdir()) == []


async def test_the_input_of_a_program_is_empty(clock):
    program = f"import sys; assert sys.stdin.read() == ''; print({json.dumps(KEYS)!r})"
    assert (await ProcessCredentials(python(program), clock=clock()).get_credentials()).access_key_id == "K"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (python("raise SystemExit(3)"), "ended with status 3: run it by hand"),
        (python(f"print({json.dumps(KEYS)!r}); raise SystemExit(1)"), "ended with status 1"),
        (python("import os; os.kill(os.getpid(), 9)"), "ended with status -9"),
        (python("print('hidden')"), "is not a JSON object"),
        (printing({**KEYS, "Version": 2}), "is not of version 1"),
        (printing({"AccessKeyId": "hidden"}), "is not of version 1"),
        (printing({"Version": 1, "AccessKeyId": "hidden"}), "has no SecretAccessKey"),
        (python("print('hidden' * 20000)"), "printed over 65536 bytes"),
        (python("while True: print('hidden' * 1000)"), "printed over 65536 bytes"),
        ("/does/not/exist hidden", "cannot be started: No such file or directory"),
        ("'a\0b' hidden", "cannot be started: its arguments cannot be passed on"),
    ],
)
async def test_what_gives_no_credentials_is_an_error(clock, command, message):
    with pytest.raises(ConfigurationError, match=f"credential_process .*?{message}") as caught:
        await ProcessCredentials(command, clock=clock()).get_credentials()
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("command", ["", "  ", "hidden 'x"])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ConfigurationError, match="is empty, or its quotes do not match") as caught:
        ProcessCredentials(command)
    assert "hidden" not in str(caught.value)


HANGING = "import os, sys, time; p = sys.argv[1]; open(p + '~', 'w').write(str(os.getpid())); os.rename(p + '~', p); "


@asynccontextmanager
async def started(program: str, path, clock, *, seconds: float = 30):
    """Run a program that hangs. Give the task that waits for it and the number that it wrote into `path`."""
    provider = ProcessCredentials(python(program, str(path)), seconds=seconds, clock=clock())
    fetching = asyncio.ensure_future(provider.get_credentials())
    while not path.exists():
        await asyncio.sleep(0.001)
    yield fetching, int(path.read_text())


async def test_a_program_that_hangs_is_killed(clock, tmp_path, loop_clock):
    async with started(f"{HANGING}time.sleep(60)", tmp_path / "pid", clock) as (fetching, pid):
        await loop_clock.advance(30)
        with pytest.raises(ConfigurationError, match="did not end within 30 s"):
            await fetching
    assert not is_alive(pid)


@pytest.mark.parametrize(("times", "has_groups"), [(1, True), (2, True), (1, False)])
async def test_a_cancelled_wait_kills_the_program(clock, tmp_path, times, has_groups, monkeypatch):
    """Also when it ignores signals, and when the wait is cancelled again; it is waited for. Windows has no groups."""
    if not has_groups:
        monkeypatch.delattr(os, "killpg")
    program = f"import signal; signal.signal(15, signal.SIG_IGN); {HANGING}time.sleep(60)"
    async with started(program, tmp_path / "pid", clock) as (fetching, pid):
        for _ in range(times):
            fetching.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({fetching})
    assert fetching.cancelled()
    assert not is_alive(pid)


async def test_a_child_that_holds_the_output_open_is_killed_too(clock, tmp_path, loop_clock):
    child = f"{HANGING}time.sleep(60)"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-S', '-c', {child!r}, sys.argv[1]])"
    async with started(program, tmp_path / "pid", clock) as (fetching, pid):
        await loop_clock.advance(30)
        with pytest.raises(ConfigurationError, match="did not end"):
            await fetching
    while is_running(pid):
        await asyncio.sleep(0.001)


async def test_a_cancellation_waits_for_the_end_of_the_program():
    program = credential_process._Program()
    program.output += b"x"

    class Slow:
        is_closed = False

        def get_pid(self):
            return 2**30

        def close(self):
            self.is_closed = True

    transport = Slow()
    ending = asyncio.ensure_future(credential_process._end(transport, program))
    while not transport.is_closed:
        await asyncio.sleep(0)
    ending.cancel()
    await asyncio.sleep(0)
    assert not ending.done()
    program.connection_lost(None)
    await asyncio.wait({ending})
    assert ending.cancelled()


async def test_the_errors_of_a_program_go_to_standard_error(clock, capfd):
    """So that one sees why a login failed; nothing of it is in the exception."""
    program = "import sys; print('log in first', file=sys.stderr); sys.exit(1)"
    with pytest.raises(ConfigurationError) as caught:
        await ProcessCredentials(python(program), clock=clock()).get_credentials()
    assert "log in first" in capfd.readouterr().err
    assert "log in first" not in str(caught.value)


async def test_what_is_printed_beyond_the_bound_is_not_kept():
    program = credential_process._Program()
    for _ in range(10):
        program.pipe_data_received(1, bytes(60_000))
    assert len(program.output) == 120_000
    assert program.has_said_too_much.done()
