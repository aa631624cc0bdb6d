"""Files for blocking code that are written: a clean end commits, everything else leaves nothing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import io
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.core import OpenFile
from fsspec.spec import AbstractBufferedFile

from aios3 import AccessDeniedError, StorageError
from aios3.fsspec import Aios3FileSystem
from aios3.fsspec.files import WriteFile
from aios3.testing import Fault, S3Server
from tests.conftest import PART
from tests.unit.fsspec.conftest import MakeFileSystem, wait_for

PATH = "bucket/key"
TEXT = random.Random(1).randbytes(4 * PART).hex()
"""Text that compression leaves longer than several parts."""

FILES: dict[str, Callable[[Aios3FileSystem, str], Any]] = {
    "binary": lambda fs, mode: fs.open(PATH, f"{mode}b"),
    "text": lambda fs, mode: fs.open(PATH, mode, encoding="utf-8"),
    "gzip": lambda fs, mode: fs.open(PATH, f"{mode}b", compression="gzip"),
    "gzip-text": lambda fs, mode: fs.open(PATH, f"{mode}t", compression="gzip"),
    "closing": lambda fs, mode: contextlib.closing(fs.open(PATH, f"{mode}b")),
    "fsspec": lambda fs, mode: OpenFile(fs, PATH, f"{mode}b"),
    "fsspec-text": lambda fs, mode: OpenFile(fs, PATH, f"{mode}t"),
    "fsspec-xz-text": lambda fs, mode: OpenFile(fs, PATH, f"{mode}t", compression="xz"),
}
"""Ways to open a file; some wrap it in objects that know nothing of an exception."""

every_file = pytest.mark.parametrize("kind", FILES)


def content_for(kind: str, text: str = TEXT) -> Any:
    return text if "text" in kind else text.encode()


@every_file
def test_a_block_that_ends_commits_all_bytes(fs, store, kind):
    with FILES[kind](fs, "w") as file:
        file.write(content_for(kind))
    assert not store.open_uploads
    with FILES[kind](fs, "r") as file:
        assert file.read() == content_for(kind)


def interrupt(monkeypatch: pytest.MonkeyPatch, method: Callable[..., int], number: int) -> None:
    """Raise at one call of a method, before it has done anything, as Ctrl-C may."""
    owner, calls = AbstractBufferedFile if method is AbstractBufferedFile.write else WriteFile, iter(range(10**6))

    def interrupted(*arguments: Any) -> int:
        if next(calls) == number:
            raise KeyboardInterrupt
        return method(*arguments)

    monkeypatch.setattr(owner, "write", interrupted)


@pytest.mark.parametrize("kind", ["binary", "text", "gzip", "gzip-text", "closing"])
@pytest.mark.parametrize("method", [AbstractBufferedFile.write, WriteFile.write], ids=["inside", "before"])
@pytest.mark.parametrize("number", [0, 1])
def test_an_interrupted_write_commits_nothing_also_during_the_close(fs, store, kind, method, number, monkeypatch):
    """A wrapper passes on its rest when it is closed, and no block sees an exception then."""
    interrupt(monkeypatch, method, number)
    with contextlib.suppress(KeyboardInterrupt), FILES[kind](fs, "w") as file:
        file.write(content_for(kind, "short"))
    committed = "short" if number == 1 and "gzip" not in kind else None
    monkeypatch.undo()
    assert [fs.cat_file(path) for path in fs.find("bucket")] == ([] if committed is None else [b"short"])
    assert not store.open_uploads


@pytest.mark.parametrize("wrap", [io.TextIOWrapper, io.BufferedWriter])
def test_an_interrupted_write_commits_nothing_through_wrappers_of_others(fs, store, wrap, monkeypatch):
    interrupt(monkeypatch, AbstractBufferedFile.write, 0)
    file = wrap(fs.open(PATH, "wb"))
    file.write("short" if wrap is io.TextIOWrapper else b"short")
    with pytest.raises(KeyboardInterrupt):
        file.close()
    assert store.objects == {}


def test_a_failed_write_cannot_be_skipped(fs, store, monkeypatch):
    interrupt(monkeypatch, AbstractBufferedFile.write, 1)
    with pytest.raises(KeyboardInterrupt), fs.open(PATH, "wb") as file:  # noqa: PT012 - the block is the scene
        file.write(b"begin")
        with contextlib.suppress(KeyboardInterrupt):
            file.write(b"middle")
        file.write(b"end")
    assert store.objects == {}


def test_an_asynchronous_filesystem_refuses_transactions(make_fs: MakeFileSystem, store):
    fs = make_fs(asynchronous=True)

    async def use() -> None:
        with fs.transaction:
            await fs._pipe_file(PATH, b"")

    with pytest.raises(NotImplementedError, match="transaction"):
        asyncio.run(use())
    assert store.requests == []


@pytest.mark.parametrize("wrong", [{"encoding": "none"}, {"compression": "none"}])
def test_a_file_that_cannot_be_wrapped_is_not_committed_by_its_transaction(fs, store, wrong):
    with fs.transaction, pytest.raises((LookupError, ValueError)):
        fs.open(PATH, "w", **wrong)
    assert (store.objects, store.requests) == ({}, [])


def test_a_wrong_argument_of_write_changes_nothing(fs):
    with fs.open(PATH, "wb") as file:
        file.write(b"one")
        with pytest.raises(TypeError):
            file.write("two")
        file.write(b"three")
    assert fs.cat_file(PATH) == b"onethree"
    with pytest.raises(ValueError, match="closed"):
        file.write(b"four")


@every_file
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("text", ["short", TEXT], ids=["short", "parts"])
def test_a_block_that_raises_leaves_the_key_as_it_was_and_nothing_open(fs, store, kind, error, text):
    fs.pipe_file(PATH, b"before")
    with pytest.raises(error, match="stop"), FILES[kind](fs, "w") as file:
        file.write(content_for(kind, text))
        raise error("stop")
    assert not store.open_uploads
    assert fs.cat_file(PATH) == b"before"
    if text is TEXT and kind in ("binary", "text", "fsspec", "fsspec-text"):  # compressors collect bytes
        assert "AbortMultipartUpload" in {request.operation for request in store.requests}


def test_finally_close_discards_what_an_exception_interrupts(fs, store):
    file = fs.open(PATH, "wb")
    with pytest.raises(ValueError, match="stop"):
        try:
            file.write(b"1")
            raise ValueError("stop")
        finally:
            file.close()
    assert not store.objects
    assert file.receipt is None


def test_a_file_that_is_opened_while_an_exception_is_handled_commits(fs, store):
    try:
        raise KeyError
    except KeyError:
        with fs.open(PATH, "wb") as file:
            file.write(b"1")
    assert fs.cat_file(PATH) == b"1"
    assert file.receipt.size == 1


def test_an_exception_that_is_raised_again_in_the_block_discards(fs, store):
    with pytest.raises(KeyError):
        try:
            raise KeyError
        except KeyError as error:
            with fs.open(PATH, "wb") as file:
                file.write(b"1")
                raise error
    assert not store.objects


@pytest.mark.parametrize("kind", ["binary", "text", "gzip", "gzip-text"])
def test_a_file_that_is_never_closed_is_discarded_when_it_is_collected(fs, store, kind):
    file = FILES[kind](fs, "w")
    file.write(content_for(kind))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del file
        gc.collect()
    assert [str(warning.message) for warning in seen] == [
        "<File-like object Aios3FileSystem, bucket/key> was not closed, so it is discarded"
    ]
    wait_for(store, lambda store: not store.open_uploads)
    fs.close()
    assert not store.objects


def test_discard_leaves_nothing_and_later_writes_are_dropped(fs, store):
    file = fs.open(PATH, "wb")
    file.write(bytes(3 * PART))
    file.discard()
    assert (file.write(b"more"), file.closed) == (4, True)
    file.close()
    assert (store.open_uploads, store.objects) == ([], {})


def test_a_part_that_fails_raises_in_every_later_call_and_leaves_nothing(fs, store):
    store.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=100))
    file = fs.open(PATH, "wb")
    with pytest.raises(PermissionError) as caught:
        for _ in range(100):
            file.write(bytes(PART))
    assert isinstance(caught.value.__cause__, AccessDeniedError)
    assert not store.open_uploads
    for call in (lambda: file.write(b"1"), file.flush, file.close):
        with pytest.raises(PermissionError) as again:
            call()
        assert again.value is caught.value
    assert not store.objects


def test_a_compressor_that_cannot_write_its_end_leaves_nothing(fs, store):
    store.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=100))
    file = fs.open(PATH, "wt", compression="xz")
    file.write(TEXT * 9)
    with pytest.raises(PermissionError):
        file.close()
    assert (store.objects, store.open_uploads) == ({}, [])


def test_a_compressor_that_fails_at_its_end_leaves_nothing(fs, store, monkeypatch):
    file = fs.open(PATH, "wb", compression="gzip")
    file.write(random.Random(1).randbytes(200 * PART))
    monkeypatch.setattr(file._compressor, "close", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        file.close()
    monkeypatch.undo()
    assert (store.objects, store.open_uploads) == ({}, [])


def test_a_commit_that_fails_raises_from_close(fs, store):
    store.faults.add(Fault("answer", "CompleteMultipartUpload", status=403, code="AccessDenied"))
    file = fs.open(PATH, "wb")
    file.write(bytes(3 * PART))
    with pytest.raises(PermissionError):
        file.close()
    file.close()
    assert (store.open_uploads, store.objects, file.receipt) == ([], {}, None)


def test_mode_x_never_replaces_an_object_that_appears_before_the_commit(fs, store):
    with pytest.raises(FileExistsError), fs.open(PATH, "xb") as file:
        file.write(bytes(3 * PART))
        fs.pipe_file(PATH, b"theirs")
    assert (fs.cat_file(PATH), store.open_uploads) == (b"theirs", [])
    for mode, error in (("create", FileExistsError), ("append", NotImplementedError)):
        with pytest.raises(error):
            fs.pipe_file(PATH, b"mine", mode=mode)


@pytest.mark.parametrize("mode", ["ab", "r+b", "w+b"])
def test_a_mode_that_changes_an_object_in_place_is_refused(fs, mode):
    fs.pipe_file(PATH, b"1")
    with pytest.raises(NotImplementedError):
        fs.open(PATH, mode)
    assert fs.cat_file(PATH) == b"1"


def test_attributes_and_limits_of_uploads_are_options_of_open(fs, store):
    with fs.open(PATH, "w", content_type="text/csv", metadata={"made-by": "test"}, size=2, newline="\r\n") as file:
        file.write("\n")
    assert store.objects["bucket", "key"].headers["content-type"] == "text/csv"
    assert fs.info(PATH)["metadata"] == {"made-by": "test"}
    with pytest.raises(TypeError, match="content_typo"):
        fs.open(PATH, "wb", content_typo="text/csv")


@pytest.mark.parametrize("write", [
    lambda fs: fs.open("bucket/key/", "wb"), lambda fs: fs.open("bucket/key/"),
    lambda fs: fs.pipe_file("bucket/key/", b""), lambda fs: fs.cat_file("bucket/key/"),
    lambda fs: fs.rm_file("bucket/key/"), lambda fs: fs.cp_file("bucket/key/", "bucket/other"),
    lambda fs: fs.put_file(__file__, "bucket/key/"),
])  # fmt: skip
def test_a_path_that_ends_with_a_slash_never_names_the_file_without_it(fs, write):
    fs.pipe_file(PATH, b"1")
    with pytest.raises(IsADirectoryError):
        write(fs)
    assert fs.cat_file(PATH) == b"1"


def test_a_driver_that_is_closed_ends_files_that_are_written(fs, store):
    file = fs.open(PATH, "wb")
    file.write(bytes(3 * PART))
    fs.close()
    assert not store.open_uploads
    with pytest.raises(Exception, match="closed"):
        file.write(bytes(3 * PART))
    with pytest.raises(Exception, match="closed"):
        file.close()
    fs.pipe_file(PATH, b"the next use opens a driver again")
    assert len(store.objects) == 1


def test_put_and_get_report_their_progress(make_fs: MakeFileSystem, store: S3Server, tmp_path):
    from fsspec.callbacks import Callback

    fs, callback = make_fs(), Callback()
    (tmp_path / "file").write_bytes(bytes(3 * PART))
    fs.put_file(str(tmp_path / "file"), PATH, callback=callback)
    assert (callback.size, callback.value) == (3 * PART, 3 * PART)
    callback = Callback()
    fs.get_file(PATH, str(tmp_path / "copy"), callback=callback)
    assert (callback.size, callback.value) == (3 * PART, 3 * PART)
    assert (tmp_path / "copy").read_bytes() == bytes(3 * PART)


class TestTransaction:
    """What is written in a transaction becomes visible at its end, or never."""

    @staticmethod
    def write(fs, folder) -> None:
        with fs.open("bucket/file", "wb") as file:
            file.write(bytes(3 * PART))
        with fs.open("bucket/small", "w", compression="gzip") as file:
            file.write("small")
        fs.pipe_file("bucket/pipe", bytes(3 * PART))
        (folder / "put").write_bytes(bytes(3 * PART))
        fs.put(str(folder / "put"), "bucket/put")

    def test_its_end_commits_everything(self, fs, store, tmp_path):
        with fs.transaction:
            self.write(fs, tmp_path)
            assert not store.objects
        assert {key: len(found.body) for (_, key), found in store.objects.items() if key != "small"} == {
            "file": 3 * PART, "pipe": 3 * PART, "put": 3 * PART,
        }  # fmt: skip
        assert fs.open("bucket/small", "r", compression="gzip").read() == "small"
        assert not store.open_uploads

    def test_an_exception_discards_everything(self, fs, store, tmp_path):
        with pytest.raises(ValueError, match="stop"), fs.transaction:
            self.write(fs, tmp_path)
            raise ValueError("stop")
        assert (store.objects, store.open_uploads) == ({}, [])
        fs.pipe_file(PATH, b"the transaction has ended")
        assert len(store.objects) == 1

    def test_a_part_that_fails_discards_what_is_not_committed(self, fs, store, tmp_path):
        store.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", nth=2))
        with pytest.raises(PermissionError), fs.transaction:
            self.write(fs, tmp_path)
        assert (store.objects, store.open_uploads) == ({}, [])

    def test_bytes_that_fail_in_it_leave_nothing(self, fs, store):
        store.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", nth=2))
        with pytest.raises(PermissionError), fs.transaction:
            fs.pipe_file("bucket/small", b"1")
            fs.pipe_file("bucket/pipe", bytes(9 * PART))
        assert (store.objects, store.open_uploads) == ({}, [])
        with fs.transaction:
            with pytest.raises(ZeroDivisionError):
                fs.pipe_file("bucket/pipe", (bytes(PART // part) for part in (1, 1, 1, 0)))
            assert not store.open_uploads
        assert not store.objects

    @pytest.mark.parametrize("is_raised", [True, False])
    def test_an_interrupted_call_is_discarded_with_it(self, fs, store, is_raised):
        """An interrupt ends the wait of the calling thread, and not the coroutine in the event loop."""
        store.hold("UploadPart")
        with pytest.raises(KeyboardInterrupt if is_raised else StorageError, match="interrupt"), fs.transaction:
            running = asyncio.run_coroutine_threadsafe(fs._pipe_file(PATH, bytes(9 * PART)), fs.loop)
            wait_for(store, lambda store: store.held_requests)
            if is_raised:
                raise KeyboardInterrupt("interrupt")
        with pytest.raises((StorageError, concurrent.futures.CancelledError)):
            running.result()
        store.release("UploadPart")
        assert (store.objects, store.open_uploads) == ({}, [])

    def test_a_call_that_outlasts_it_sends_nothing(self, fs, store, monkeypatch):
        hold = fs._hold_upload

        async def hold_after_the_end(*arguments, **options):
            fs._transaction = None
            return await hold(*arguments, **options)

        monkeypatch.setattr(fs, "_hold_upload", hold_after_the_end)
        with fs.transaction, pytest.raises(StorageError, match="has ended"):
            fs.pipe_file(PATH, bytes(9 * PART))
        assert store.requests == []

    def test_a_file_whose_exception_is_caught_is_left_out(self, fs, store):
        with fs.transaction:
            with contextlib.suppress(ValueError), fs.open(PATH, "wb") as file:
                file.write(b"1")
                raise ValueError
            fs.pipe_file("bucket/other", b"2")
        assert list(store.objects) == [("bucket", "other")]
