"""``aios3 put`` over the wire: what is committed, what the exit code says, and what a signal leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aios3.testing import Fault
from tests.support.command_line import TWO_PARTS, CommandLine, python, result_of

ENDLESS = "import sys, time\nwhile True: sys.stdout.buffer.write(bytes(2**20)); sys.stdout.flush(); time.sleep(0.02)"
"""Producer that writes until it is ended."""


def test_the_output_of_a_command_is_committed_if_it_succeeds(aios3: CommandLine) -> None:
    done = aios3("put", "s3://bucket/a//b", "--json", "--", *python("print('hello')"))
    assert (done.code, done.json["size"], done.json["key"]) == (0, 6, "a//b")
    assert aios3.keys() == {"a//b": b"hello\n"}


def test_a_profile_for_the_upload_is_not_the_profile_of_the_command(aios3: CommandLine, tmp_path: Path) -> None:
    keys = aios3.server.credentials
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    (tmp_path / "home" / ".aws" / "credentials").write_text(
        f"[upload]\naws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
    )
    os.environ["AWS_SECRET_ACCESS_KEY"] = "of the command"
    program = "import os; print(os.environ.get('AWS_PROFILE'), os.environ['AWS_SECRET_ACCESS_KEY'])"
    assert aios3("put", "s3://bucket/k", "--profile", "upload", "--", *python(program)).code == 0
    assert aios3.keys()["k"] == b"None of the command\n"


@pytest.mark.parametrize("size", [10, TWO_PARTS])
def test_a_command_that_fails_after_its_output_commits_nothing(aios3: CommandLine, size: int) -> None:
    program = f"import sys\nsys.stdout.buffer.write(bytes({size}))\nsys.stderr.write('disk is full')\nsys.exit(9)"
    done = aios3("put", "s3://bucket/key", "--", *python(program))
    assert (done.code, done.out, aios3.keys(), aios3.server.open_uploads) == (3, "", {}, [])
    assert "disk is full" in done.err
    assert "exited with status 9; nothing was committed" in done.err


def test_an_upload_that_fails_ends_its_command(aios3: CommandLine, tmp_path: Path) -> None:
    program = f"import os, pathlib\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n{ENDLESS}"
    aios3.server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=99))
    assert aios3("put", "s3://bucket/key", "--", *python(program)).code == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert aios3.server.open_uploads == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["put", "s3://bucket/k", "--", *python("")], 0, ""),
        (["put", "missing", "s3://bucket/k"], 3, "No such file or directory: 'missing'"),
        (["put", "s3://bucket/k", "--", "./missing"], 3, "No such file or directory: './missing'"),
        (["put", "s3://bucket/k", "--fail-empty", "--", *python("")], 3, "is empty; nothing was committed"),
        (["put", "s3://bucket/k", "--size", "3", "--", *python("")], 3, "nothing was committed"),
        (["put", "s3://bucket/k", "--max-size", "3B", "--", *python("print('four')")], 3, "nothing was committed"),
        (["put", "file", "s3://nowhere/k"], 1, "check the bucket's name"),
        (["put", "file", "s3://bucket/k", "--if-match", "0" * 32], 1, "404 NoSuchKey"),
        (["put", "file", "s3://bucket/k", "--endpoint-url", "http://127.0.0.1:1"], 4, "check --endpoint-url"),
        (["put", "file", "s3://bucket/k", "--part-size", "1K"], 2, "part_size"),
        (["put", "file", "s3://bucket/k", "--part-size", "much"], 2, "'much' is not a size"),
        (["put", "file", "s3://bucket/k", "--provider", "nobody"], 2, "nobody"),
        (["put", "file", "s3://bucket/k", "--profile", "nobody"], 2, "nobody"),
        (["put", "file", "s3://bucket/k", "--size", "3"], 2, "a file has its own size"),
        (["put", "file", "s3://bucket/k", "--dry-run"], 2, "are for directories"),
        (["put", "file", "file2", "s3://bucket/k"], 2, "ends with a slash"),
        (["put", "file", "other/file", "s3://bucket/"], 2, "would become one object"),
        (["put", "file", "bucket/k"], 2, "the last word must be a URL"),
        (["put"], 2, "the last word must be a URL"),
        (["put", "s3://bucket/k"], 2, "name a file"),
        (["put", "s3://bucket/k", "--"], 2, "name the command after --"),
        (["put", "s3://bucket/dir/", "--", "true"], 2, "write the whole key"),
        (["put", "-", "s3://bucket"], 2, "write the whole key"),
        (["put", "-", "file", "s3://bucket/"], 2, "is a source of its own"),
        (["put", "file", "s3://bucket/k", "--", "true"], 2, "leave out the files"),
        (["put", ".", "s3://bucket/k"], 2, "aios3 put -r ."),
        (["put", "a film", "s3://bucket/k"], 2, "aios3 put -r 'a film' s3://bucket/k"),
        (["put", "-r", "a", "b", "s3://bucket/"], 2, "one directory"),
        (["put", "-r", "missing", "s3://bucket/"], 3, "No such file"),
        (["put", "-r", ".", "s3://bucket/", "--watch", "--dry-run"], 2, "exclude each other"),
        (["put", "-r", ".", "s3://bucket/", "--watch", "--if-none-match"], 2, "--watch replaces playlists"),
    ],
)
def test_the_exit_code_says_whose_fault_it_was(aios3: CommandLine, words: list[str], code: int, message: str) -> None:
    Path("file").write_bytes(b"content")
    Path("a film").mkdir()
    done = aios3(words[0], "--max-attempts", "1", "--progress", "none", *words[1:])
    assert (done.code, aios3.server.open_uploads) == (code, [])
    assert message in done.err
    assert done.err.count("\n") == (0 if code == 0 else 1)
    assert set(aios3.keys()) == ({"k"} if code == 0 else set())
    assert "\x1b" not in done.err
    assert "\r" not in done.err


def test_a_commit_with_an_unknown_outcome_has_a_code_of_its_own(aios3: CommandLine) -> None:
    Path("file").write_bytes(b"content")
    aios3.server.faults.add(Fault("drop_before", "PutObject"))
    aios3.server.faults.add(Fault("answer", "HeadObject", status=500, times=9))
    done = aios3("put", "file", "s3://bucket/k", "--max-attempts", "1")
    assert (done.code, "aios3 stat URL" in done.err) == (5, True)


@pytest.mark.parametrize("words", [["--if-none-match"], ["--if-none-match", "*"], ["--if-none-match=*"]])
def test_no_clobber_is_decided_by_the_store(aios3: CommandLine, words: list[str]) -> None:
    Path("file").write_bytes(b"new")
    assert aios3("put", "file", "s3://bucket/k", *words).code == 0
    done = aios3("put", *words, "s3://bucket/k", "--", *python(f"print('x' * {TWO_PARTS})"))
    assert (done.code, aios3.keys(), aios3.server.open_uploads) == (1, {"k": b"new"}, [])
    assert "CompleteMultipartUpload" in [request.operation for request in aios3.server.requests]


def test_attributes_and_options_have_the_names_of_the_python_api(aios3: CommandLine) -> None:
    Path("file").write_bytes(bytes(TWO_PARTS + 2**20))
    words = ["--part-size", "6MiB", "--content-type", "a/b", "--metadata", "camera=7", "--metadata", "x=1", "--nonce"]
    assert (
        aios3("put", "file", "s3://bucket/in/", *words, "--concurrency", "auto", "--json").json["parts"][0]["size"]
        == TWO_PARTS
    )
    found = aios3.server.objects["bucket", "in/file"]
    assert found.headers["content-type"] == "a/b"
    assert {"camera", "x", "aios3-nonce"} == {
        name.removeprefix("x-amz-meta-") for name in found.headers if name.startswith("x-amz-meta-")
    }


def test_progress_is_lines_and_the_receipt_is_alone_on_standard_output(aios3: CommandLine) -> None:
    Path("file").write_bytes(bytes(TWO_PARTS))
    done = aios3("put", "file", "s3://bucket/k", "--progress", "json", "--json")
    assert json.loads(done.err.splitlines()[-1])["bytes_durable"] == TWO_PARTS
    assert [json.loads(line)["size"] for line in done.out.splitlines()] == [TWO_PARTS]
    assert "6.0 MiB of 6.0 MiB stored" in aios3("put", "file", "s3://bucket/k").err


def test_a_file_that_cannot_be_read_does_not_keep_others_back(aios3: CommandLine) -> None:
    for name in ("a", "b", "c"):
        Path(name).write_text(name)
    done = aios3("put", "a", "missing", "b", "c", "s3://bucket/", "--jobs", "1")
    assert (done.code, aios3.keys()) == (3, {"a": b"a", "b": b"b", "c": b"c"})
    aios3.server.objects.clear()
    aios3.server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
    assert aios3("put", "a", "b", "c", "s3://bucket/", "--jobs", "1").code == 1
    assert aios3.keys() == {}


def test_a_condition_that_does_not_hold_concerns_one_file(aios3: CommandLine) -> None:
    for name in ("a", "b"):
        Path(name).write_text(name)
    assert aios3("put", "a", "s3://bucket/").code == 0
    assert aios3("put", "a", "b", "s3://bucket/", "--if-none-match", "--jobs", "1").code == 1
    assert set(aios3.keys()) == {"a", "b"}


def test_a_file_whose_name_is_no_text_is_named_and_does_not_keep_others_back(aios3: CommandLine) -> None:
    os.mkdir("d")
    for name in (b"d/a\xff", b"d/b"):
        Path(os.fsdecode(name)).write_text("text")
    for _ in range(2):
        done = aios3("put", "-r", "d", "s3://bucket/", "--jobs", "1")
        assert (done.code, set(aios3.keys())) == (3, {"b"})
        assert "aios3: d/a\\udcff: a name that is not UTF-8" in done.err


def test_closed_standard_streams_are_no_defect(aios3: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert aios3.main("put", "s3://bucket/k", "--", *python("print('x')")) == 0
    assert aios3.main("put", "missing", "s3://bucket/k") == 3


def test_a_directory_skips_what_is_there_and_equal(aios3: CommandLine) -> None:
    for name, text in {
        "site/a.txt": "a",
        "site/sub/b.txt": "b",
        "site/sub/c.map": "c",
        "site/big": "x" * TWO_PARTS,
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    words = ["put", "-r", "site", "s3://bucket/www", "--exclude", "*.map", "--progress", "none"]
    planned = aios3(*words, "--dry-run")
    assert planned.out.splitlines()[0] == "would put site/a.txt to s3://bucket/www/a.txt"
    assert aios3.keys() == {}
    assert aios3(*words).code == 0
    assert set(aios3.keys()) == {"www/a.txt", "www/sub/b.txt", "www/big"}
    Path("site/a.txt").write_text("A")
    again = aios3(*words)
    assert "2 of 3 files are already stored" in again.err
    assert [line.split(":")[1] for line in again.out.splitlines()] == ["//bucket/www/a.txt"]
    assert len(aios3(*words, "--no-skip").out.splitlines()) == 3


def test_a_terminal_interrupt_aborts_and_ends_the_producer(aios3: CommandLine) -> None:
    with aios3.process("put", "s3://bucket/k", "--", *python(ENDLESS)) as process:
        assert process.stderr is not None
        assert b"bytes_stored" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        done = result_of(process)
    assert (done.code, done.out, aios3.keys(), aios3.server.open_uploads) == (130, "", {}, [])
    assert done.err.splitlines()[-1] == "aios3: ended by SIGINT"


def test_standard_input_that_never_ends_does_not_delay_the_end(aios3: CommandLine) -> None:
    with (
        subprocess.Popen(python(ENDLESS), stdout=subprocess.PIPE) as producer,
        aios3.process("put", "-", "s3://bucket/k", stdin=producer.stdout or 0) as process,
    ):
        assert process.stderr is not None
        process.stderr.readline()
        producer.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        assert result_of(process).code == 143
        producer.kill()
    assert (aios3.keys(), aios3.server.open_uploads) == ({}, [])


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart"])
def test_a_store_that_dies_in_the_middle_is_no_fault_of_the_source(aios3: CommandLine, operation: str) -> None:
    aios3.server.faults.add(Fault("drop_before", operation, times=1000))
    done = aios3("put", "s3://bucket/k", "--max-attempts", "1", "--", *python(ENDLESS))
    assert (done.code, done.out, aios3.keys(), aios3.server.open_uploads) == (4, "", {}, [])
