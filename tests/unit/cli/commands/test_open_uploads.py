"""``aios3 uploads``: what a signal or a crash has left open is listed, resumed, completed or aborted."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from threading import Thread

import pytest

from aios3.checkpoints import UploadCheckpoint
from aios3.testing import Fault, S3Server
from tests.support.command_line import CommandLine, Result, python, result_of

BYTES = bytes(range(256)) * 2**16 + b"<end>"
"""Content of four parts."""
WRITE = "import pathlib, sys; sys.stdout.buffer.write(pathlib.Path('file').read_bytes()[{}:])"


def interrupt(aios3: CommandLine, *words: object) -> Result:
    """Send SIGTERM to ``aios3 put`` in this process, when two parts are stored."""
    server = aios3.server
    server.faults.add(Fault("stall_before", "UploadPart", part_number=3))
    interrupter = Thread(target=lambda: (wait_for_third_part(server), os.kill(os.getpid(), signal.SIGTERM)))
    interrupter.start()
    try:
        return aios3("put", "--journal", "journal", "--concurrency", "1", *words)
    finally:
        interrupter.join()


def wait_for_third_part(server: S3Server) -> None:
    third = server.wait_for(lambda server: server.requests and server.requests[-1].part_number == 3)
    asyncio.run(asyncio.wait_for(third, 40))


def test_a_signal_leaves_a_journaled_upload_open_and_its_checkpoint_resumes_it(aios3: CommandLine) -> None:
    Path("file").write_bytes(BYTES)
    left = interrupt(aios3, "s3://bucket/key", "--", *python(WRITE.format(0)))
    assert (left.code, aios3.keys()) == (6, {})
    assert "interrupted the upload, which stays open; resume it with: aios3 uploads resume" in left.err
    offset = UploadCheckpoint.from_json(left.out).offset
    assert offset > 0
    assert "s3://bucket/key" in aios3("uploads", "ls", "--journal", "journal").out
    done = aios3("uploads", "resume", left.out.strip(), "--", *python(WRITE.format(offset)))
    assert (done.code, aios3.keys(), aios3.server.open_uploads) == (0, {"key": BYTES}, [])


def test_a_signal_before_the_first_part_leaves_nothing_open(aios3: CommandLine) -> None:
    program = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    done = aios3("put", "--journal", "journal", "s3://bucket/key", "--", *python(program))
    assert (done.code, done.out, aios3.server.requests) == (143, "", [])
    assert done.err.splitlines()[-1] == "aios3: ended by SIGTERM"


def test_a_killed_upload_is_resumed_from_its_journal(aios3: CommandLine) -> None:
    Path("file").write_bytes(BYTES)
    aios3.server.faults.add(Fault("stall_before", "UploadPart", part_number=3))
    words = "--journal", "journal", "--concurrency", "1", "file", "s3://bucket/key"
    with aios3.process("put", *words) as process:
        wait_for_third_part(aios3.server)
        process.kill()
        assert result_of(process).out == ""
    assert aios3("uploads", "resume", "--journal", "journal", "s3://bucket/key", "file").code == 0
    assert (aios3.keys(), aios3.server.open_uploads) == ({"key": BYTES}, [])


@pytest.mark.parametrize(
    ("words", "is_completed"),
    [
        (["uploads", "recover", "--journal", "journal", "--resume"], True),
        (["put", "--journal", "journal", "file", "s3://bucket/key"], True),
        (["uploads", "recover", "--journal", "journal", "--json"], False),
    ],
    ids=["recover --resume", "the same put again", "recover"],
)
def test_a_file_that_was_left_open_is_completed_or_aborted(
    aios3: CommandLine, words: list[str], is_completed: bool
) -> None:
    Path("file").write_bytes(BYTES)
    assert interrupt(aios3, "file", "s3://bucket/key").code == 6
    assert aios3("uploads", "ls", "s3://bucket", "--json").json["key"] == "key"
    sent = len(aios3.server.requests)
    assert aios3(*words).code == 0
    assert (aios3.keys(), aios3.server.open_uploads) == ({"key": BYTES} if is_completed else {}, [])
    repeated = {request.part_number for request in aios3.server.requests[sent:] if request.operation == "UploadPart"}
    assert repeated == ({3, 4} if is_completed else set())


def test_an_open_upload_is_aborted_by_age_or_by_id(aios3: CommandLine) -> None:
    Path("file").write_bytes(BYTES)
    interrupt(aios3, "file", "s3://bucket/key")
    assert aios3("uploads", "abort", "s3://bucket", "--older-than", "1h").out == ""
    assert "key" in aios3("uploads", "abort", "s3://bucket", "--older-than", "0s", "--dry-run").out
    (upload,) = aios3.server.open_uploads
    assert aios3("uploads", "abort", "s3://bucket/key", "--upload-id", upload.upload_id).code == 0
    assert aios3.server.open_uploads == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ls"], "name a bucket, or a journal"),
        (["abort", "s3://bucket"], "name the uploads to abort"),
        (["abort", "s3://bucket", "--upload-id", "x"], "names no key"),
        (["abort", "s3://bucket/k", "--upload-id", "x", "--dry-run"], "belongs to --older-than"),
        (["resume", "{}"], "name one source"),
        (["resume", "{}", "file"], "not a checkpoint"),
        (["resume", "s3://bucket/k", "file"], "add --journal DIR"),
        (["resume", "s3://bucket/k", "file", "--journal", "journal"], "has 0 open uploads"),
        (["recover"], "name the journal"),
    ],
)
def test_a_wrong_call_says_what_is_missing(aios3: CommandLine, words: list[str], message: str) -> None:
    done = aios3("uploads", *words)
    assert (done.code, message in done.err) == (2, True)
