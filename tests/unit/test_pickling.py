"""Every public error and value outlives pickle and copy: in process pools, in queues, in a cache."""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import importlib
import inspect
import json
import os
import pickle
import ssl
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

import aios3
from aios3 import (
    Credentials,
    RecoveredUpload,
    ResponseError,
    StorageError,
    StorageObject,
    TransportError,
    UploadSuspendedError,
)
from aios3.credential_providers import AssumeRoleCredentials, InstanceMetadataCredentials

MODULES = ("aios3", *(f"aios3.{name}" for name in ("checkpoints", "credentials", "errors", "models", "options")),
           "aios3.observing", "aios3.providers", "aios3.timing", "aios3.testing")  # fmt: skip

ALIVE = {
    "S3StorageDriver", "AmazonS3StorageDriver", "GoogleStorageDriver", "UploadWriter", "OpenedObject",
    "S3Server", "FaultPlan", "ReceivedRequest", "OpenUpload",
}  # fmt: skip
"""What holds connections or tasks, and the test server's notes of what goes on: no values."""

PLAIN = {
    int: 3,
    str: "text",
    bytes: b"bytes",
    float: 1.5,
    bool: True,
    datetime: datetime(2026, 1, 2, tzinfo=UTC),
    timedelta: timedelta(days=1),
    object: "anything",
    Exception: ResponseError("no", operation="AbortMultipartUpload", status=403),
    BaseException: ResponseError("no", operation="UploadPart", status=403),
}
SPECIAL: dict[str, dict[str, Any]] = {
    "TransferConfig": {"concurrency": "auto", "part_size": 5, "memory_limit": 50, "checksum": "crc32"},
    "UploadCheckpoint": {"part_size": 3, "parts": (aios3.UploadedPart(1, 3, "etag"),)},
    "Provider": {"addressing": "path", "checksums": frozenset({"crc32"}), "default_checksum": "crc32"},
}
"""Arguments for classes that do not take just any value of the right type."""
SPECIAL_ERRORS = {"CommandError": ("ffmpeg", -9, "the end of its log")}
"""Arguments of errors that take more than a message."""


def public_names() -> dict[str, Any]:
    """Return every public class and constant, by the name of its module and its own."""
    found = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        found.update({name: getattr(module, name) for name in module.__all__})
    return {name: value for name, value in found.items() if name not in ALIVE}


def sample(hint: Any) -> Any:
    """Return a value of that type: of unions the first kind that is not None."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return sample(next(kind for kind in arguments if kind is not type(None)))
    if origin is typing.Literal:
        return arguments[0]
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is frozenset:
        return frozenset({sample(arguments[0])})
    if origin is list:
        return [sample(arguments[0])]
    if origin in (dict, Mapping):
        return {sample(arguments[0]): sample(arguments[1])}
    if hint in PLAIN:
        return PLAIN[hint]
    return instance_of(hint)


def instance_of(kind: type) -> Any:
    """Return an instance with every field filled in; errors with a note and a cause as well."""
    hints = typing.get_type_hints(kind, None, vars(aios3))
    if issubclass(kind, Exception):
        parameters = inspect.signature(kind.__init__).parameters.values()
        needed = {each.name: sample(hints[each.name]) for each in parameters if each.kind is each.KEYWORD_ONLY}
        error = kind(*SPECIAL_ERRORS.get(kind.__name__, ("what went wrong",)), **needed)
        for name in hints.keys() - {"message"}:
            setattr(error, name, sample(hints[name]))
        error.add_note("aios3: a note")
        error.__cause__ = unpicklable()
        return error
    names = [each.name for each in dataclasses.fields(kind) if each.init]
    special = SPECIAL.get(kind.__name__, {})
    optional = {each.name for each in dataclasses.fields(kind) if each.default is not dataclasses.MISSING}
    left_out = optional if special else set()
    return kind(**{name: sample(hints[name]) for name in names if name not in special.keys() | left_out}, **special)


def unpicklable() -> Exception:
    """Return an error as aiohttp raises it, which holds a TLS context."""
    key = ConnectionKey("store.example", 443, True, ssl.create_default_context(), None, None, None)
    error = aiohttp.ClientConnectorError(key, OSError(111, "refused"))
    with pytest.raises(TypeError):
        pickle.dumps(error)
    return error


INSTANCES = {
    name: instance_of(value) if inspect.isclass(value) else value
    for name, value in public_names().items()
    if not (inspect.isclass(value) and (typing.is_typeddict(value) or getattr(value, "_is_protocol", False)))
    and name not in ("Anonymous", "FrozenDict", "PROVIDERS", "Source")
    and not (inspect.isfunction(value) or typing.get_origin(value))
}

COPIES: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle protocol {number}": lambda value, number=number: pickle.loads(pickle.dumps(value, number))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def state(value: Any) -> Any:
    """Return all that makes a value what it is; of an error its message, attributes and notes."""
    if isinstance(value, Exception):
        attributes = {name: state(each) for name, each in vars(value).items()}
        return type(value), str(value), repr(value), value.args, getattr(value, "__notes__", None), attributes
    if dataclasses.is_dataclass(value):
        return type(value), {each.name: state(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return value


def test_every_public_name_was_looked_at() -> None:
    errors = {name for name in aios3.__all__ if name.endswith("Error")}
    assert errors == {name for name in INSTANCES if name.endswith("Error")}
    assert {"UploadReceipt", "StorageObject", "RecoveredUpload", "TransferConfig", "Provider", "Fault"} <= set(
        INSTANCES
    )
    assert len(INSTANCES) >= 44


@pytest.fixture(autouse=True)
def only_what_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out how `distributed`, once imported, has the process pickle exceptions: with causes and tracebacks."""
    for kind in [each for each in copyreg.dispatch_table if isinstance(each, type) and issubclass(each, BaseException)]:
        monkeypatch.delitem(copyreg.dispatch_table, kind)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", INSTANCES)
def test_a_copy_is_the_same(name: str, way: str) -> None:
    value = INSTANCES[name]
    assert state(COPIES[way](value)) == state(value)


@pytest.mark.parametrize("way", COPIES)
def test_a_subclass_with_a_constructor_of_its_own_is_copied_too(way: str) -> None:
    for error in (OwnError(number=5), OwnTransportError("text", 5)):
        copied = COPIES[way](error)
        assert state(copied) == state(error)
        assert copied.number == 5


class OwnError(UploadSuspendedError):
    def __init__(self, *, number: int) -> None:
        super().__init__(f"number {number}")
        self.number = number


class OwnTransportError(TransportError):
    def __init__(self, text: str, number: int) -> None:
        super().__init__(number, text)
        self.number = number


def test_what_the_system_said_of_a_file_comes_along() -> None:
    copied = pickle.loads(pickle.dumps(TransportError(5, "input or output", "/a/path")))
    assert (copied.errno, copied.strerror, copied.filename) == (5, "input or output", "/a/path")


@pytest.mark.parametrize("way", COPIES)
def test_a_note_on_a_copy_is_the_copys_alone(way: str) -> None:
    error = StorageError("no")
    error.add_note("both")
    COPIES[way](error).add_note("one")
    assert error.__notes__ == ["both"]


def test_a_recovered_upload_says_why_it_failed_also_where_the_error_cannot_be_pickled() -> None:
    """A vault's client may have raised it; a copy within the process has the very error."""
    failed = RecoveredUpload("b", "k", "id", "failed", error=unpicklable())
    copied = pickle.loads(pickle.dumps(failed))
    assert (copied.bucket, copied.outcome, type(copied.error)) == ("b", "failed", StorageError)
    assert str(copied.error).startswith("ClientConnectorError: Cannot connect to host store.example:443")
    assert copy.copy(failed).error is copy.deepcopy(failed).error is failed.error


def test_metadata_can_go_into_json() -> None:
    found = StorageObject("b", "k", 5, "etag", metadata={"a": "b"})
    assert json.dumps(dataclasses.asdict(found)["metadata"]) == '{"a": "b"}'
    assert hash(found) == hash(copy.deepcopy(found))


def test_credentials_show_no_secret_after_the_way_through_a_pickle() -> None:
    credentials = pickle.loads(pickle.dumps(Credentials("AKIA", "s3cret-s3cret", "t0ken-t0ken")))
    assert credentials.secret_access_key == "s3cret-s3cret"
    assert "s3cret" not in repr(credentials)
    assert "t0ken" not in repr(credentials)


def test_a_source_of_credentials_can_be_given_to_a_worker() -> None:
    """Also one that has asked over TLS, and asks just now: neither goes along."""
    source = InstanceMetadataCredentials(endpoint_url="http://127.0.0.1:9")
    source._requests._context = ssl.create_default_context()
    source._refresh = typing.cast("Any", (_ for _ in ()))
    chained = pickle.loads(pickle.dumps(AssumeRoleCredentials("arn:aws:iam::1:role/a", source, region="r")))
    assert repr(chained) == "<AssumeRoleCredentials: credentials of role arn:aws:iam::1:role/a>"


POOLS = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from aios3 import CompletionUnknownError, ThrottledError, UploadSuspendedError

ERRORS = [
    CompletionUnknownError("unknown", bucket="b", key="k", upload_id=None),
    ThrottledError("slow down", operation="UploadPart", status=503, part_number=7),
    UploadSuspendedError("closed"),
]

def raise_it(index):
    raise ERRORS[index]

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor, context.Pool(1) as pool:
        for index, expected in enumerate(ERRORS):
            for call in (executor.submit(raise_it, index).result, pool.apply_async(raise_it, (index,)).get):
                try:
                    call(timeout=30)
                except type(expected) as error:
                    assert (str(error), vars(error)) == (str(expected), vars(expected))
                    print(type(error).__name__)
"""
"""In a process of its own, because both kinds of pool leave to the collector what writes to a pipe."""


def test_errors_come_out_of_other_processes(tmp_path: Path) -> None:
    """Of both kinds of pool; one that cannot be unpickled breaks the first and makes the second wait without end."""
    script = tmp_path / "pools.py"
    script.write_text(POOLS)
    environment = {**os.environ, "PYTHONPATH": str(Path(aios3.__file__).parent.parent)}
    ran = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False, timeout=50
    )
    names = ["CompletionUnknownError", "ThrottledError", "UploadSuspendedError"]
    assert (ran.stdout.split(), ran.stderr) == ([name for name in names for _ in range(2)], "")
