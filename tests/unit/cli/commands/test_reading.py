"""``aios3 get``, ``cat``, ``ls``, ``stat`` and ``url``."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import pytest

from aios3.cli._commands.reading import get
from tests.support.command_line import CommandLine

assert get.name == "get"


@pytest.fixture
def stored(aios3: CommandLine) -> CommandLine:
    """A store with some objects."""
    Path("file").write_bytes(b"content")
    for key in ("a/one", "a/two", "b", "esc\x1b[2Jape"):
        assert aios3("put", "file", f"s3://bucket/{key}", "--metadata", "camera=7").code == 0
    return aios3


def test_an_object_becomes_a_file_that_is_never_replaced_by_accident(stored: CommandLine) -> None:
    assert stored("get", "s3://bucket/a/one").code == 0
    assert Path("one").read_bytes() == b"content"
    again = stored("get", "s3://bucket/a/one")
    assert (again.code, again.err) == (2, "aios3: File exists: 'one'; replace it with --overwrite\n")
    assert stored("get", "s3://bucket/a/one", ".", "--overwrite", "--json").json["path"] == "./one"
    assert stored("get", "s3://bucket/a/one", "-").out == "content"
    assert stored("get", "s3://bucket/a/../..").code == 2
    assert sorted(os.listdir()) == ["file", "one"]


def test_a_range_is_written_to_standard_output(stored: CommandLine) -> None:
    assert stored("cat", "s3://bucket/b", "--start", "1", "--end", "4").out == "ont"
    assert stored("cat", "s3://bucket/b").out == "content"


def test_keys_are_listed_by_prefix_and_cannot_command_the_terminal(stored: CommandLine) -> None:
    assert stored("ls").out == "s3://bucket/\n"
    keys = [line.split()[-1] for line in stored("ls", "s3://bucket").out.splitlines()]
    assert keys == ["s3://bucket/a/", "s3://bucket/b", "s3://bucket/esc\\x1b[2Jape"]
    found = [json.loads(line)["key"] for line in stored("ls", "-r", "s3://bucket/a", "--json").out.splitlines()]
    assert found == ["a/one", "a/two"]


def test_an_object_is_described(stored: CommandLine) -> None:
    assert "metadata camera: 7\n" in stored("stat", "s3://bucket/b").out
    assert stored("stat", "s3://bucket/b", "--json").json["size"] == 7
    assert stored("stat", "s3://bucket").out == "name: bucket\n"


def test_a_presigned_url_is_alone_on_standard_output(stored: CommandLine) -> None:
    with urllib.request.urlopen(stored("url", "s3://bucket/b", "--expires-in", "60s").out.strip()) as response:
        assert response.read() == b"content"
    upload = stored("url", "s3://bucket/c", "--upload", "--content-type", "a/b").out.strip()
    request = urllib.request.Request(upload, b"put", {"Content-Type": "a/b"}, method="PUT")
    with urllib.request.urlopen(request):
        assert stored.keys()["c"] == b"put"
    assert stored("url", "s3://bucket/b", "--public").out.strip() == f"{stored.server.endpoint_url}/bucket/b"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["cat", "s3://bucket/missing"], 1, "aios3 ls URL"),
        (["stat", "s3://nowhere"], 1, "check the bucket's name"),
        (["ls", "s3://nowhere"], 1, "check the bucket's name"),
        (["get", "s3://bucket/b", "missing/file"], 3, "No such file or directory"),
        (["get", "s3://bucket"], 2, "names no key"),
        (["get", "bucket/b"], 2, "not a URL like s3://bucket/key"),
        (["cat", "s3://bucket/b", "--sse-customer-key", "file"], 2, "holds 7 bytes"),
        (["url", "s3://bucket/b", "--acl", "private"], 2, "attributes need --upload"),
        (["url", "s3://bucket/b", "--base-url", "https://cdn.example.com"], 2, "--base-url needs --public"),
        (["url", "s3://bucket/b", "--expires-in", "8d"], 2, "604800 seconds"),
    ],
)
def test_a_failure_is_one_line_with_the_next_step(
    stored: CommandLine, words: list[str], code: int, message: str
) -> None:
    done = stored(*words)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert message in done.err


def test_a_reader_that_has_gone_is_no_defect(stored: CommandLine) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    kept = os.dup(1)
    os.dup2(writer, 1)
    try:
        code = stored.main("cat", "s3://bucket/b")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(writer)
    assert code == 3
