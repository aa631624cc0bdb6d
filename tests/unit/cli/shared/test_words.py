"""URLs, sizes and exit codes of the command line, which need no store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

import aios3
from aios3.cli._shared.exit_codes import ExitCode, exit_code_of, most_important
from aios3.cli._shared.output import format_size, printable
from aios3.cli._shared.parameter_types import DURATION, KEY_FILE, PAIR, S3_URL, SIZE, TIME
from aios3.cli._shared.targets import S3Url
from aios3.errors import ConfigurationError
from aios3.options import GIB, MIB


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("s3://b/k", "b", "k"),
        ("s3://b/a//b/../c%20?d#e", "b", "a//b/../c%20?d#e"),
        ("s3://b//k", "b", "/k"),
    ],
)
def test_a_url_names_the_exact_key(text: str, bucket: str, key: str) -> None:
    assert S3Url.parse(text) == S3Url(bucket, key)


@pytest.mark.parametrize("text", ["b/k", "s3:/b/k", "s3://", "s3:///k", "https://b/k"])
def test_another_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="s3://bucket/key"):
        S3Url.parse(text)


@pytest.mark.parametrize(
    ("url", "path", "key"),
    [
        ("s3://b", "/tmp/x.mp4", "x.mp4"),
        ("s3://b/in/", "/tmp/x.mp4", "in/x.mp4"),
        ("s3://b/in", "/tmp/x.mp4", "in"),
    ],
)
def test_a_file_keeps_its_name_below_a_prefix_only(url: str, path: str, key: str) -> None:
    assert S3Url.parse(url).for_file(path).key == key


@pytest.mark.parametrize("key", ["", "a/", "a/..", "..", ".", "a\0b", "a\\b"])
def test_a_key_never_names_a_file_elsewhere(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.altsep", "\\")
    with pytest.raises(ConfigurationError, match="gives a file no name"):
        S3Url("b", key).file_name()


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SIZE, "5242880", 5 * MIB),
        (SIZE, "16MiB", 16 * MIB),
        (SIZE, "16M", 16 * MIB),
        (SIZE, "16mb", 16_000_000),
        (SIZE, "1.5 GiB", 3 * GIB // 2),
        (SIZE, "0", 0),
        (SIZE, "7B", 7),
        (DURATION, "90", timedelta(seconds=90)),
        (DURATION, "1.5h", timedelta(minutes=90)),
        (DURATION, "2d", timedelta(days=2)),
        (PAIR, "a=b=c", ("a", "b=c")),
        (S3_URL, "s3://b/k", S3Url("b", "k")),
        (TIME, "2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_parameter_means_what_it_says(kind: Any, text: str, value: Any) -> None:
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SIZE, "16 bananas"),
        (SIZE, "-1"),
        (SIZE, ""),
        (DURATION, "1y"),
        (DURATION, "9" * 40 + "d"),
        (PAIR, "name"),
        (PAIR, "=x"),
        (S3_URL, "bucket/key"),
        (TIME, "tomorrow"),
        (TIME, "2027-01-31T12:00:00"),
        (KEY_FILE, "/nowhere"),
        (KEY_FILE, __file__),
    ],
)
def test_a_wrong_parameter_is_an_error_of_usage(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_a_customer_key_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(range(32)))
    assert KEY_FILE.convert(str(path), None, None) == bytes(range(32))


@pytest.mark.parametrize("name", [name for name in aios3.__all__ if name.endswith("Error") and name != "StorageError"])
def test_every_error_of_the_library_has_an_exit_code(name: str) -> None:
    kind = getattr(aios3, name)
    assert exit_code_of(kind.__new__(kind)) is not None


def test_a_defect_has_none() -> None:
    assert exit_code_of(AssertionError()) is None


def test_the_gravest_result_of_many_counts() -> None:
    assert most_important({ExitCode.SOURCE, ExitCode.UNKNOWN, ExitCode.REFUSED}) == ExitCode.UNKNOWN
    assert most_important(set()) == ExitCode.DONE


def test_a_key_cannot_command_the_terminal() -> None:
    assert printable("a\x1b[2J\n\u202eb é") == "a\\x1b[2J\\n\\u202eb é"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (3 * MIB // 2, "1.5 MiB"), (2048 * GIB, "2.0 TiB")]
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert format_size(size) == text
