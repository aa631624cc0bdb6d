"""Reads, descriptions, listings and deletions: exact keys, one version, and no lie about what is there."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fsspec.asyn import sync

from aios3 import PreconditionFailedError
from aios3.testing import Fault
from tests.conftest import PART

CONTENT = bytes(range(256)) * 10
PATH = "bucket/key"

KEYS = ("a", "a/b", "a/b/c", "a//d", "ab", "e/", "f/g/", "f/h")
"""Keys that are files and directories at once, have empty names, or mark directories."""


@pytest.fixture
def tree(fs) -> Any:
    """A filesystem with `KEYS`, each as long as its key, but empty if it ends with a slash."""

    async def fill() -> None:
        for key in KEYS:
            content = b"" if key.endswith("/") else key.encode()
            await fs.driver.upload_object_via_stream(content, "bucket", key)

    sync(fs.loop, fill)
    return fs


@pytest.mark.parametrize(("start", "end"), [
    (None, None), (0, 10), (5, None), (None, 7), (-5, None), (-9, -3), (4, -4), (10, 5), (0, 0), (len(CONTENT), None),
    (len(CONTENT) + 5, None), (len(CONTENT) - 2, len(CONTENT) + 9), (-9999, 3),
])  # fmt: skip
def test_a_range_is_that_of_a_slice(fs, start, end):
    fs.pipe_file(PATH, CONTENT)
    assert fs.cat_file(PATH, start=start, end=end) == CONTENT[start:end]


def test_a_file_reads_and_seeks_as_one_in_memory(fs, store):
    fs.pipe_file(PATH, CONTENT)
    wanted = io.BytesIO(CONTENT)
    with fs.open(PATH, block_size=100) as file:
        for offset, whence, count in ((0, 0, 7), (50, 1, 300), (-20, 2, 50), (1000, 0, 1), (0, 0, -1)):
            assert file.seek(offset, whence) == wanted.seek(offset, whence)
            assert file.read(count) == wanted.read(count)
    fs.pipe_file("bucket/empty", b"")
    assert fs.open("bucket/empty").read() == b""


def test_a_file_never_mixes_two_versions_of_an_object(fs):
    fs.pipe_file(PATH, CONTENT)
    with fs.open(PATH, block_size=10, cache_type="none") as file:
        assert file.read(10) == CONTENT[:10]
        fs.pipe_file(PATH, CONTENT[::-1])
        with pytest.raises(PreconditionFailedError):
            file.read(10)


def test_info_tells_files_directories_and_what_is_missing_apart(tree):
    assert {name: tree.info(f"bucket/{name}")["type"] for name in ("a", "a/b", "e", "f", "f/g")} == {
        "a": "file", "a/b": "file", "e": "directory", "f": "directory", "f/g": "directory",
    }  # fmt: skip
    assert (tree.info("bucket/a/b")["size"], tree.info("aios3://bucket")["type"], tree.info("")["type"]) == (
        3, "directory", "directory",
    )  # fmt: skip
    for missing in ("bucket/x", "none", "none/x"):
        assert not tree.exists(missing)
        with pytest.raises(FileNotFoundError) as caught:
            tree.info(missing)
        assert caught.value.filename == missing
        with pytest.raises(FileNotFoundError):
            tree.ls(missing)


def test_ls_shows_one_level_and_no_markers(tree, store):
    store.store.buckets["other"] = store.store.buckets["bucket"]
    assert tree.ls("", detail=False) == ["bucket", "other"]
    assert tree.ls("bucket/", detail=False) == [f"bucket/{name}" for name in ("a", "a", "ab", "e", "f")]
    assert tree.ls("bucket/f", detail=False) == ["bucket/f/g", "bucket/f/h"]
    assert (tree.ls("bucket/e"), tree.ls("bucket/ab", detail=False)) == ([], ["bucket/ab"])
    assert tree.ls("other") == []


def test_find_shows_exact_keys_and_du_their_sizes_by_one_listing(tree, store):
    files = sorted(f"bucket/{key}" for key in KEYS if not key.endswith("/"))
    store.requests.clear()
    assert tree.find("bucket") == files
    assert tree.du("bucket") == sum(len(name) - len("bucket/") for name in files)
    assert {request.operation for request in store.requests} == {"ListObjectsV2"}
    assert len(store.requests) == 2
    assert tree.find("bucket", withdirs=True) == sorted(
        {*files, "bucket", "bucket/a", "bucket/a/", "bucket/a/b", "bucket/e", "bucket/f", "bucket/f/g"}
    )
    assert tree.find("bucket", maxdepth=1) == ["bucket/a", "bucket/ab"]
    assert (tree.find("bucket/ab"), tree.find("bucket/x"), tree.find("none")) == (["bucket/ab"], [], [])
    assert tree.find("") == files


def test_glob_asks_the_store_only_for_the_beginning(tree, store):
    store.requests.clear()
    assert tree.glob("bucket/f/h*") == ["bucket/f/h"]
    assert [dict(request.query)["prefix"] for request in store.requests] == ["f/h"]
    assert tree.glob("bucket/*b") == ["bucket/ab"]
    assert tree.glob("none/*") == []


def test_a_recursive_deletion_takes_a_directory_and_nothing_beside_it(tree, store):
    tree.rm("bucket/a", recursive=True)
    assert sorted(key for _, key in store.objects) == ["ab", "e/", "f/g/", "f/h"]
    tree.rm(["bucket/ab", "bucket/f/h"])
    assert sorted(key for _, key in store.objects) == ["e/", "f/g/"]
    with pytest.raises(FileNotFoundError):
        tree.rm("bucket/a", recursive=True)
    tree.rm("bucket", recursive=True)
    assert not store.objects
    assert tree.ls("bucket") == []


def test_a_recursive_deletion_obeys_its_depth(tree, store):
    tree.rm("bucket/f", recursive=True, maxdepth=1)
    assert "f/h" not in {key for _, key in store.objects}
    tree.rm("bucket/a", recursive=True, maxdepth=1)
    assert {key for _, key in store.objects} == {"a/b/c", "ab", "a//d", "e/", "f/g/"}


def test_a_deletion_that_fails_in_part_raises(fs, store):
    fs.pipe({"bucket/1": b"", "bucket/2": b""})
    refused = b"<DeleteResult><Error><Key>1</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    store.faults.add(Fault("garbage_200", "DeleteObjects", body=refused))
    with pytest.raises(OSError, match="no"):
        fs.rm("bucket", recursive=True)


def test_buckets_are_made_and_removed_as_the_topmost_directories(fs, store):
    fs.mkdir("made")
    fs.makedirs("made", exist_ok=True)
    fs.mkdirs("bucket/folder")
    for make in (fs.mkdir, fs.makedirs):
        with pytest.raises(FileExistsError):
            make("made")
    fs.pipe_file("made/key", b"")
    for full in ("made", "made/folder"):
        fs.pipe_file("made/folder/key", b"")
        with pytest.raises(OSError, match="not empty"):
            fs.rmdir(full)
    fs.rm("made", recursive=True)
    for missing in ("made/folder", "none"):
        with pytest.raises(FileNotFoundError):
            fs.rmdir(missing)
    fs.rmdir("made")
    assert set(store.store.buckets) == {"bucket"}


@pytest.mark.parametrize("ask", ["exists", "isfile", "isdir", "find", "ls"])
def test_a_store_that_fails_is_never_reported_as_an_empty_one(fs, store, ask):
    store.faults.add(Fault("answer", status=400, code="InvalidRequest", times=100))
    with pytest.raises(Exception, match="InvalidRequest|400"):
        getattr(fs, ask)("bucket/key")


def test_refused_keys_are_permission_errors(make_fs):
    fs = make_fs(credentials="anonymous")
    for call in (lambda: fs.cat_file(PATH), lambda: fs.pipe_file(PATH, b"x" * 3 * PART), lambda: fs.ls("bucket")):
        with pytest.raises(PermissionError):
            call()


def test_a_recursive_download_makes_its_directories(tree, tmp_path):
    tree.pipe_file("bucket/p/q/r", b"1")
    tree.get("bucket/p", str(tmp_path / "p"), recursive=True)
    assert (tmp_path / "p/q/r").read_bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        tree.get_file("bucket/none", str(tmp_path / "none"))
    with pytest.raises(IsADirectoryError):
        tree.get_file("bucket/ab", str(tmp_path))


def test_copies_and_moves_stay_in_the_store(fs, store):
    fs.pipe_file(PATH, b"1")
    fs.mv(PATH, "bucket/moved")
    fs.cp("bucket/moved", "bucket/copied")
    assert sorted(key for _, key in store.objects) == ["copied", "moved"]
    assert "GetObject" not in {request.operation for request in store.requests}
    with pytest.raises(FileNotFoundError):
        fs.cp_file("bucket/none", "bucket/x")
