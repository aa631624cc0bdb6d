"""A command's output as a source, with real processes: it is whole or nothing, and the command is gone afterwards."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import pytest
import uvloop

from aios3 import (
    AccessDeniedError,
    CommandError,
    ConfigurationError,
    ContainerNotFoundError,
    ObjectTooLargeError,
    S3StorageDriver,
    StorageError,
    TransferConfig,
    command_output,
)
from aios3.options import KIB, MIB
from aios3.testing import Fault, S3Server
from tests.support.process_ids import is_running

LIMIT = 20.0
"""Seconds in which every ending must be over on a busy machine; without an end a test fails by its timeout."""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine in a new loop; nothing may be left in it, nor a new child of this process."""

    async def check(work: Coroutine[Any, Any, None]) -> None:
        descriptors, others = len(os.listdir("/proc/self/fd")), children()  # stores of a session that runs them too
        async with asyncio.timeout(LIMIT):
            await work
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(os.listdir("/proc/self/fd")) <= descriptors + WATCHERS
        assert children() == others

    def run_in_new_loop(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(check(work))

    return run_in_new_loop


def in_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test under `run`."""

    def wrapper(run: Callable[[Coroutine[Any, Any, None]], None], **given: Any) -> None:
        run(test(**given))

    signature = inspect.signature(test)
    first = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY)
    wrapper.__name__, wrapper.__module__ = test.__name__, test.__module__
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            first,
            *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()),
        ]
    )
    return wrapper


WATCHERS = 3
"""Descriptors that a loop makes at its first child and keeps, to be told of its end."""


def children() -> list[str]:
    """Return the command lines of the children of this process, zombies too."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        pids: list[str] = []
        with suppress(OSError):  # a thread that ended since they were listed
            pids = (thread / "children").read_text().split()
        for pid in pids:
            with suppress(OSError):
                found.append(f"{pid} {Path('/proc', pid, 'cmdline').read_text()}")
    return found


async def until_gone(pid: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    while is_running(pid):
        await asyncio.sleep(0.01)


@asynccontextmanager
async def store(**options: Any) -> AsyncIterator[tuple[S3Server, S3StorageDriver]]:
    async with (
        S3Server() as server,
        S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials, **options) as driver,
    ):
        yield server, driver


async def output_of(*argv: str, **options: Any) -> bytes:
    return b"".join([chunk async for chunk in command_output(*argv, **options)])


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program)


# Good ends.


@in_both_loops
async def test_all_that_a_command_writes_is_uploaded():
    program = f"import sys\nfor n in range(12): sys.stdout.buffer.write(bytes([n]) * {MIB})"
    async with store() as (server, driver):
        receipt = await driver.upload_object_via_stream(command_output(*python(program)), "bucket", "key")
        assert receipt.size == 12 * MIB
        assert server.objects["bucket", "key"].body == b"".join(bytes([n]) * MIB for n in range(12))


@in_both_loops
async def test_the_environment_the_directory_and_the_input_are_the_callers(tmp_path):
    """As `subprocess` takes them; by default there is no input."""
    said = await output_of("sh", "-c", "echo $NAME; pwd; cat", env={"NAME": "x", "PATH": "/bin:/usr/bin"}, cwd=tmp_path)
    assert said.decode().split() == ["x", str(tmp_path)]
    (tmp_path / "input").write_bytes(b"given")
    with (tmp_path / "input").open("rb") as file:
        assert await output_of("cat", stdin=file) == b"given"


@in_both_loops
async def test_a_child_that_writes_on_is_waited_for():
    """The output ends when everyone who holds it has closed it, as in a shell."""
    assert await output_of("sh", "-c", "(sleep 0.2; echo late) & echo early") == b"early\nlate\n"


@in_both_loops
async def test_a_command_that_is_never_asked_is_never_started(tmp_path):
    await command_output("touch", str(tmp_path / "ran")).aclose()
    assert not (tmp_path / "ran").exists()


# A command that fails.


@pytest.mark.parametrize(
    ("script", "returncode", "told"),
    [
        ("head -c 6291456 /dev/zero; exit 3", 3, "'sh' exited with status 3"),
        ("head -c 6291456 /dev/zero; kill -9 $$", -9, "'sh' was ended by signal 9"),
        ("echo small; exit 1", 1, "'sh' exited with status 1"),
        ("exec >&-; sleep 0.1; exit 4", 4, "'sh' exited with status 4"),
    ],
)
@in_both_loops
async def test_nothing_is_committed_when_the_command_fails(script, returncode, told):
    async with store() as (server, driver):
        with pytest.raises(CommandError) as caught:
            await driver.upload_object_via_stream(command_output("sh", "-c", script), "bucket", "key")
        assert (caught.value.command, caught.value.returncode, caught.value.stderr) == ("sh", returncode, None)
        assert str(caught.value) == told
        assert (server.objects, server.open_uploads) == ({}, [])


@in_both_loops
async def test_a_command_that_does_not_exist_sends_nothing():
    async with store() as (server, driver):
        with pytest.raises(FileNotFoundError):
            await driver.upload_object_via_stream(command_output("/no/such/program"), "bucket", "key")
        assert server.requests == []


@in_both_loops
async def test_the_end_of_the_standard_error_is_kept_on_request():
    with pytest.raises(CommandError) as caught:
        await output_of("sh", "-c", "yes e | head -c 3000000 >&2; echo the reason >&2; exit 2", stderr=PIPE)
    assert caught.value.stderr is not None
    assert (len(caught.value.stderr), caught.value.stderr[-15:]) == (4 * KIB, "e\ne\nthe reason\n")


async def test_a_standard_error_that_a_child_holds_open_is_not_waited_for() -> None:
    with pytest.raises(CommandError) as caught:
        await output_of("sh", "-c", "echo said >&2; sleep 5 >/dev/null & exit 2", stderr=PIPE)
    assert caught.value.stderr == "said\n"


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(CommandError("ffmpeg", 1, "no such file")))
    assert (error.command, error.returncode, error.stderr) == ("ffmpeg", 1, "no such file")
    assert "no such file" not in str(error)


@pytest.mark.parametrize(
    ("argv", "options", "told"),
    [((), {}, "program"), (("true",), {"stdin": PIPE}, "stdin"), (("true",), {"kill_after": -1}, "kill_after")],
)
def test_what_cannot_work_is_refused_at_once(argv: tuple[str, ...], options: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        command_output(*argv, **options)


# Commands that are still running when the upload ends.

PRODUCERS = {
    "fast": ("yes",),
    "stubborn": ("sh", "-c", "trap '' TERM PIPE; while :; do head -c 65536 /dev/zero 2>/dev/null; done"),
    "silent after a while": ("sh", "-c", "head -c 12582912 /dev/zero; exec sleep 600"),
    "pipeline": ("sh", "-c", "yes | cat"),
    "closed its output": ("sh", "-c", "head -c 12582912 /dev/zero; exec >&-; sleep 600"),
}


async def refused(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    """A part is answered 403."""
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await driver.upload_object_via_stream(source, "bucket", "key")


async def missing_bucket(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    with pytest.raises(ContainerNotFoundError):
        await driver.upload_object_via_stream(source, "missing", "key")


async def cancelled(server: S3Server, driver: S3StorageDriver, source: Any, *, times: int = 1) -> None:
    """While the store holds every part, so that the source waits with a full pipe."""
    server.hold("UploadPart")
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda s: s.held_requests)
    for _ in range(times):
        upload.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await upload
    server.release("UploadPart")


async def cancelled_twice(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    await cancelled(server, driver, source, times=2)


async def cancelled_by_anyio(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    server.hold("UploadPart")
    with anyio.move_on_after(0.3) as scope:
        await driver.upload_object_via_stream(source, "bucket", "key")
    assert scope.cancelled_caught
    server.release("UploadPart")


async def timed_out(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    server.hold("UploadPart")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await driver.upload_object_via_stream(source, "bucket", "key")
    server.release("UploadPart")


async def driver_closed(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    server.hold("UploadPart")
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda s: s.held_requests)
    await driver.aclose()
    with pytest.raises(StorageError, match="closed"):
        await upload
    server.release("UploadPart")


async def too_large(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    with pytest.raises(ObjectTooLargeError):
        await driver.upload_object_via_stream(source, "bucket", "key", max_size=7 * MIB)


async def failing_callback(server: S3Server, driver: S3StorageDriver, source: Any) -> None:
    def fail(progress: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await driver.upload_object_via_stream(source, "bucket", "key", on_progress=fail)


ENDS = [
    refused, missing_bucket, cancelled, cancelled_twice, cancelled_by_anyio, timed_out, driver_closed, too_large,
    failing_callback,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("producer", PRODUCERS)
@in_both_loops
async def test_the_command_ends_with_the_upload(producer, end):
    """However it ends: in bounded time, with its error unchanged, and nothing is open or running."""
    async with store(transfer=TransferConfig(concurrency=2)) as (server, driver):
        await end(server, driver, command_output(*PRODUCERS[producer], kill_after=0.2))
        assert (server.objects, server.open_uploads) == ({}, [])


@in_both_loops
async def test_a_command_is_asked_to_end_before_it_is_killed(tmp_path):
    """So that it can remove its temporary files."""
    mark = tmp_path / "cleaned"
    script = f"trap 'touch {mark}; exit' TERM; while :; do echo x; sleep 0.01; done"
    source = command_output("sh", "-c", script, kill_after=LIMIT)
    await anext(source)
    await source.aclose()
    assert mark.exists()


@pytest.mark.parametrize("script", ["sleep 600 & echo $!; exec sleep 600", "sleep 600 & echo $!"])
@in_both_loops
async def test_what_the_command_has_started_ends_with_it(script):
    """Also when the command itself has exited, and a child holds its output open."""
    source = command_output("sh", "-c", script)
    child = int(await anext(source))
    if "exec" not in script:
        await asyncio.sleep(0.1)
    await source.aclose()
    await until_gone(child)


@pytest.mark.parametrize("argv", [("sleep", "600"), ("/no/such/program",)])
@pytest.mark.parametrize("wait", [0.0, 0.0005, 0.002, 0.01])
@in_both_loops
async def test_a_command_that_is_just_starting_is_not_lost(wait, argv):
    """A cancellation in the middle of the start ends it, too."""

    async def pull() -> None:
        with suppress(FileNotFoundError):
            async for _ in command_output(*argv):
                pass

    for _ in range(5):
        pulling = asyncio.create_task(pull())
        await asyncio.sleep(wait)
        pulling.cancel()
        await asyncio.wait({pulling})
        assert pulling.cancelled() or argv != ("sleep", "600")


@in_both_loops
async def test_a_cancellation_during_the_closing_is_raised_after_it():
    """And a second one, while a command that ignores SIGTERM has its time."""
    source = command_output("sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done", kill_after=LIMIT)
    pid = int(await anext(source))
    closing = asyncio.ensure_future(source.aclose())
    for _ in range(2):
        await asyncio.sleep(0.05)
        closing.cancel()
        assert is_running(pid)
    os.kill(pid, signal.SIGKILL)
    await asyncio.wait({closing})
    assert (closing.cancelled(), is_running(pid)) == (True, False)


@in_both_loops
async def test_the_terminal_s_interrupt_does_not_reach_the_command():
    """It runs in a session of its own: commands that exit with 0 on Ctrl-C would be taken for whole."""
    said = await output_of(*python("import os; print(os.getsid(0) == os.getpid())"), stderr=DEVNULL)
    assert said == b"True\n"
