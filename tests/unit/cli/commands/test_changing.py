"""``aios3 rm`` and ``cp``."""

from __future__ import annotations

from pathlib import Path

import pytest

from aios3.cli._commands.changing import cp, rm
from aios3.testing import Fault
from tests.support.command_line import CommandLine

assert (cp.name, rm.name) == ("cp", "rm")


@pytest.fixture
def stored(aios3: CommandLine) -> CommandLine:
    """A store with three objects."""
    Path("file").write_bytes(b"content")
    for key in ("a/one", "a/two", "b"):
        aios3("put", "file", f"s3://bucket/{key}")
    return aios3


def test_what_is_named_is_deleted_and_nothing_else(stored: CommandLine) -> None:
    assert stored("rm", "-r", "s3://bucket/a/", "s3://bucket/b", "--dry-run").out.splitlines() == [
        f"would delete s3://bucket/{key}" for key in ("a/one", "a/two", "b")
    ]
    assert stored("rm", "s3://bucket/b", "s3://bucket/missing").code == 0
    assert set(stored.keys()) == {"a/one", "a/two"}
    assert "2 objects were deleted" in stored("rm", "-r", "s3://bucket/a/").err
    assert stored.keys() == {}


def test_a_bucket_is_emptied_only_on_purpose(stored: CommandLine) -> None:
    refused = stored("rm", "-r", "s3://bucket")
    assert (refused.code, "add --whole-bucket" in refused.err) == (2, True)
    assert stored("rm", "s3://bucket", "--whole-bucket").code == 2
    assert len(stored.keys()) == 3
    assert stored("rm", "-r", "s3://bucket", "--whole-bucket").code == 0
    assert stored.keys() == {}


def test_a_condition_is_for_one_object(stored: CommandLine) -> None:
    assert stored("rm", "s3://bucket/b", "s3://bucket/a/one", "--if-match", "0").code == 2
    assert stored("rm", "s3://bucket/b", "--if-match", "0" * 32).code == 1
    assert len(stored.keys()) == 3


def test_objects_that_stay_are_named(stored: CommandLine) -> None:
    stored.server.faults.add(Fault("answer", "DeleteObjects", status=403, code="AccessDenied"))
    assert stored("rm", "-r", "s3://bucket/a/").code == 1
    assert len(stored.keys()) == 3


def test_a_copy_keeps_the_name_below_a_prefix(stored: CommandLine) -> None:
    assert stored("cp", "s3://bucket/a/one", "s3://bucket/c/", "--json").json["key"] == "c/one"
    assert stored("cp", "s3://bucket/a/one", "s3://bucket/d").code == 0
    assert stored.keys()["d"] == b"content"
    assert stored("cp", "s3://bucket/missing", "s3://bucket/d").code == 1
