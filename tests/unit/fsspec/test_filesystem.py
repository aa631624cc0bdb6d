"""Filesystems as fsspec keeps them: by name, cached, pickled, in forks and loops, closed at the exit of the process."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import pickle
import subprocess
import sys
import tomllib
from typing import Any

import fsspec
import pytest

from aios3 import Credentials, TransferConfig
from aios3.errors import ConfigurationError, IntegrityError, PreconditionFailedError
from aios3.fsspec import Aios3FileSystem
from tests.conftest import PART
from tests.support.places import ROOT
from tests.unit.fsspec.conftest import MakeFileSystem, options_for, wait_for

PATH = "bucket/key"

EXIT = """
import json, sys
from aios3.fsspec import Aios3FileSystem

file = Aios3FileSystem(**json.loads(sys.argv[1])).open("bucket/key", "wb", block_size=1)
file.write(bytes(12 * 2**20))
{end}
"""

FORK = """
import json, os, sys
from aios3.fsspec import Aios3FileSystem

options = json.loads(sys.argv[1])
fs = Aios3FileSystem(**options)
file = fs.open("bucket/key", "wb", block_size=1)
file.write(bytes(12 * 2**20))
child = os.fork()
if child == 0:
    try:
        fs.ls("bucket")
    except RuntimeError:
        Aios3FileSystem(**options).pipe_file("bucket/child", b"")
    raise SystemExit  # so that everything is done that an exit does
assert os.waitpid(child, 0)[1] == 0
file.write(b"end")
file.close()
"""


def plain_options(store: Any) -> str:
    """Return storage options for another process, with parts of 5 MiB."""
    options = options_for(store)
    return json.dumps({name: options[name] for name in ("endpoint_url", "region", "credentials")})


def run(script: str, store: Any) -> int:
    command = [sys.executable, "-W", "ignore", "-c", script, plain_options(store)]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=False, timeout=50).returncode


def test_fsspec_finds_the_class_by_its_name():
    """The package's metadata name it, and importing the module registers it."""
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["fsspec.specs"]
    module, _, name = entry["aios3"].partition(":")
    assert getattr(importlib.import_module(module), name) is fsspec.get_filesystem_class("aios3") is Aios3FileSystem


def test_a_url_with_storage_options_opens_a_file(store):
    with fsspec.open(f"aios3://{PATH}", "wb", **options_for(store)) as file:
        file.write(b"1")
    fs, path = fsspec.url_to_fs(f"aios3://{PATH}", **options_for(store))
    assert (path, fs.cat(path), fs.cat(f"s3://{PATH}")) == (PATH, b"1", b"1")
    fs.close()


def test_equal_options_share_an_instance(make_fs: MakeFileSystem, store):
    assert make_fs() is make_fs()
    assert make_fs(transfer=TransferConfig(concurrency=2)) is make_fs(transfer=TransferConfig(concurrency=2))
    assert make_fs(region="elsewhere") is not make_fs()


def test_credentials_with_another_secret_never_get_the_same_instance(make_fs: MakeFileSystem):
    """Their texts are equal, because they hide the secret."""
    one, other = (make_fs(credentials=Credentials("KEY", secret)) for secret in ("one", "other"))
    assert one is not other


@pytest.mark.parametrize("options", [
    {"provider": "none"}, {"endpoint": "http://localhost"}, {"transfer": {"parts": 1}}, {"credentials": {"key": "k"}},
])  # fmt: skip
def test_a_wrong_option_is_refused_before_the_first_use(options):
    with pytest.raises((ConfigurationError, TypeError)):
        Aios3FileSystem(**options)


def test_a_pickle_has_the_options_and_works(fs, store):
    fs.pipe_file(PATH, bytes(PART))
    assert pickle.loads(pickle.dumps(fs)) is fs
    with fs.open(PATH) as file:
        file.seek(5)
        copy = pickle.loads(pickle.dumps(file))
    assert (copy.tell(), copy.read()) == (5, bytes(PART - 5))
    fs.pipe_file(PATH, bytes(PART)[::-1] + b"1")
    with pytest.raises(Exception, match="412|Precondition"):
        pickle.loads(pickle.dumps(fs.open(PATH, if_match="0" * 32)))


@pytest.mark.parametrize("size", [None, 3 * PART])
@pytest.mark.parametrize("is_ignored", [False, True], ids=["obeyed", "ignored"])
def test_a_file_never_mixes_two_versions(fs, store, size, is_ignored, monkeypatch):
    """Also if its size was given, so nothing was looked up, and at a store that ignores If-Match."""
    if is_ignored:
        monkeypatch.setattr("aios3.testing.store.reads.is_wanted", lambda *_: True)
    fs.pipe_file(PATH, b"a" * (3 * PART))
    with fs.open(PATH, size=size, cache_type="none") as file:
        assert file.read(PART) == b"a" * PART
        copy = pickle.loads(pickle.dumps(file))
        fs.pipe_file(PATH, b"b" * (3 * PART))
        for each in [file] if is_ignored else [file, copy]:
            with pytest.raises(IntegrityError if is_ignored else PreconditionFailedError):
                each.read(PART)


def test_json_has_the_options_and_on_request_no_secret(store):
    fs = Aios3FileSystem(**json.loads(plain_options(store)))
    assert Aios3FileSystem.from_json(fs.to_json()) is fs
    text = fs.to_json(include_password=False)
    assert (store.endpoint_url in text, store.credentials.secret_access_key in text) == (True, False)
    assert store.credentials.secret_access_key not in repr(fs)


def test_one_asynchronous_instance_serves_one_loop_after_another(make_fs: MakeFileSystem, store):
    fs = make_fs(asynchronous=True)

    async def use(number: int) -> bytes:
        await fs._pipe_file(PATH, bytes([number]))
        try:
            return await fs._cat_file(PATH)
        finally:
            await fs.aclose()

    assert [asyncio.run(use(number)) for number in range(2)] == [b"\0", b"\1"]


async def test_a_blocking_instance_also_serves_the_running_loop(fs, store):
    async with await fs.open_async(PATH, "wb") as file:
        await file.write(bytes(3 * PART))
    assert await asyncio.to_thread(fs.cat_file, PATH) == await fs._cat_file(PATH) == bytes(3 * PART)
    await fs.aclose()


def test_an_instance_that_is_collected_closes_its_connections(store):
    fs = Aios3FileSystem(skip_instance_cache=True, **options_for(store))
    fs.pipe_file(PATH, b"1")
    assert store.open_connections
    del fs
    gc.collect()
    wait_for(store, lambda store: not store.open_connections)


@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise ValueError", 1)])
def test_an_exit_with_an_open_file_leaves_nothing(store, end, code):
    assert run(EXIT.format(end=end), store) == code
    assert (store.objects, store.open_uploads) == ({}, [])
    assert any(request.operation == "AbortMultipartUpload" for request in store.requests)


def test_a_fork_has_instances_of_its_own_and_leaves_the_uploads_of_its_parent(store):
    assert run(FORK, store) == 0
    assert {key: len(found.body) for (_, key), found in store.objects.items()} == {"key": 12 * 2**20 + 3, "child": 0}
    assert not store.open_uploads


def test_an_import_without_fsspec_names_the_extra():
    script = "import sys; sys.modules['fsspec'] = None; import aios3.fsspec"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert "pip install 'aios3-upload[fsspec]'" in ran.stderr
