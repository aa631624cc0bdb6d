"""The fixture for users: it works in every mode of every plugin that runs coroutines, and without any."""

from __future__ import annotations

import pytest

from aios3.testing import S3Server
from tests.support.documents import page_block, text_of

pytest_plugins = ["aios3.testing.pytest_plugin", "pytester"]

EXAMPLE = page_block("docs/testing.md", "aios3.testing")

ASYNCHRONOUS = """
import asyncio
import pytest
from aios3 import S3StorageDriver
from aios3.testing import Fault

{mark}
async def test_it(s3_server):
    s3_server.faults.add(Fault("drop_after", "CompleteMultipartUpload"))
    s3_server.hold("UploadPart")
    async with S3StorageDriver(endpoint_url=s3_server.endpoint_url, credentials=s3_server.credentials) as driver:
        upload = asyncio.create_task(driver.upload_object_via_stream(bytes(6 * 2**20), "bucket", "zeros"))
        await s3_server.wait_for(lambda server: len(server.held_requests) == 2)
        assert len(s3_server.open_uploads) == 1
        s3_server.release("UploadPart")
        await upload
    assert s3_server.objects["bucket", "zeros"].size == 6 * 2**20
    assert s3_server.open_uploads == []
"""

SYNCHRONOUS = """
import urllib.request

def test_it(s3_server):
    s3_server.public_buckets.add("bucket")
    url = s3_server.endpoint_url + "/bucket/key"
    urllib.request.urlopen(urllib.request.Request(url, b"x" * 1000, method="PUT")).close()
    assert s3_server.objects["bucket", "key"].body == b"x" * 1000
"""

CONFTEST = """
import pytest

pytest_plugins = ["aios3.testing.pytest_plugin"]

@pytest.fixture(params=["asyncio", pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")])
def anyio_backend(request):
    return request.param
"""

MODES = {
    "strict": ("@pytest.mark.asyncio", ["-p", "pytest_asyncio.plugin", "--asyncio-mode=strict"], 1),
    "auto": ("", ["-p", "pytest_asyncio.plugin", "--asyncio-mode=auto"], 1),
    "anyio": ("@pytest.mark.anyio", ["-p", "anyio"], 2),
    "strict beside anyio": ("@pytest.mark.asyncio", ["-p", "pytest_asyncio.plugin", "-p", "anyio"], 1),
}


def run(pytester: pytest.Pytester, options: list[str], **files: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(**files)
    strict = ("-W", "error::ResourceWarning", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    return pytester.runpytest_subprocess(*strict, "-p", "no:cacheprovider", *options)


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize("mode", MODES)
def test_the_fixture_serves_coroutines_and_the_example_of_the_page(pytester: pytest.Pytester, mode: str) -> None:
    """The example in both modes of pytest-asyncio, without further settings."""
    mark, options, passed = MODES[mode]
    example = {"test_example": EXAMPLE.text} if mode in ("strict", "auto") else {}
    ran = run(pytester, options, test_own=ASYNCHRONOUS.format(mark=mark), **example)
    ran.assert_outcomes(passed=passed + 2 * len(example))


def test_the_fixture_serves_a_test_without_a_loop(pytester: pytest.Pytester) -> None:
    run(pytester, [], test_own=SYNCHRONOUS).assert_outcomes(passed=1)


def test_the_readme_says_what_the_fixture_has(s3_server: S3Server) -> None:
    assert list(s3_server.store.buckets) == ["bucket"]
    assert "`s3_server`, a server with the bucket `bucket`" in " ".join(text_of("docs/testing.md").split())
