"""The pages on files, on many uploads and on tuning: their examples run."""

from __future__ import annotations

import io
import zipfile

import pytest

from aios3 import AccessDeniedError, S3StorageDriver
from aios3.testing import Fault
from tests.support.documents import page_block

FOLDER = page_block("docs/files.md", "files_below,")
ARCHIVE = page_block("docs/files.md", "ZipFile(")
MANY = page_block("docs/many-uploads.md", "upload_all(")
TUNING = page_block("docs/tuning.md", "driver_for_large_files(")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, content in (("a.txt", b"a"), ("sub/b.txt", b"b" * 5000), ("half.tmp", b"c")):
        (tmp_path / name).write_bytes(content)
    return tmp_path


async def test_a_folder_is_uploaded_without_what_is_left_out(server, driver, folder):
    receipts = await FOLDER.run()["upload_folder"](driver, folder, "bucket", "site/")
    assert [receipt.key for receipt in receipts] == ["site/a.txt", "site/sub/b.txt"]
    assert server.objects["bucket", "site/sub/b.txt"].body == b"b" * 5000


async def test_a_folder_becomes_one_archive(server, driver, folder):
    await ARCHIVE.run()["upload_archive"](driver, folder, "bucket", "all.zip")
    with zipfile.ZipFile(io.BytesIO(server.objects["bucket", "all.zip"].body)) as archive:
        assert archive.read("sub/b.txt") == b"b" * 5000


async def test_many_uploads_return_the_errors_of_the_store_by_key(server, driver):
    async def sources():
        for number in range(20):
            yield str(number), bytes(3000)

    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    failed = await MANY.run()["upload_all"](driver, sources(), "bucket", at_once=3)
    assert [type(error) for error in failed.values()] == [AccessDeniedError]
    assert {key for _, key in server.objects} == set(map(str, range(20))) - set(failed)
    assert server.open_uploads == []


def test_the_drivers_of_the_page_on_tuning_can_be_made():
    makers = [value for name, value in TUNING.run().items() if name.startswith("driver_for")]
    assert [isinstance(make(), S3StorageDriver) for make in makers] == [True] * 3
