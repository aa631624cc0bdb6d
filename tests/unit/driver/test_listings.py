"""Listings with common prefixes, and listings of versions."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import CommonPrefix, ConfigurationError, ContainerNotFoundError, ObjectVersion, ResponseError
from aios3.testing import Fault, S3Server

KEYS = ["a", "b/", "b/1", "b/2", "b/c/3", "b1", "c//4", "d|e", "ü/5", "é &<>/6"]


async def names(iterator) -> list[str]:
    found = [entry async for entry in iterator]
    return [entry.prefix if isinstance(entry, CommonPrefix) else entry.key for entry in found]


@pytest.fixture(params=[1, 2, 3, 1000])
async def filled(request, small_provider, make_driver):
    """A driver on a store with `KEYS`, and pages of that many entries."""
    async with S3Server(small_provider, page_limit=request.param) as server:
        driver = make_driver(on=server)
        for key in KEYS:
            await driver.upload_object_via_stream(b"", "bucket", key)
        yield driver


@pytest.mark.parametrize(
    ("prefix", "delimiter", "expected"),
    [
        ("", "/", ["a", "b/", "b1", "c/", "d|e", "é &<>/", "ü/"]),
        ("b/", "/", ["b/", "b/1", "b/2", "b/c/"]),
        ("b", "/", ["b/", "b1"]),
        ("c/", "/", ["c//"]),
        ("", "|", ["a", "b/", "b/1", "b/2", "b/c/3", "b1", "c//4", "d|", "é &<>/6", "ü/5"]),
        ("", "//", ["a", "b/", "b/1", "b/2", "b/c/3", "b1", "c//", "d|e", "é &<>/6", "ü/5"]),
        ("zz", "/", []),
    ],
)
async def test_listing_with_a_delimiter_has_each_common_prefix_once_in_order(filled, prefix, delimiter, expected):
    assert await names(filled.iterate_container_objects("bucket", prefix=prefix, delimiter=delimiter)) == expected


async def test_common_prefix_is_a_value_among_the_objects(filled):
    found = [entry async for entry in filled.iterate_container_objects("bucket", prefix="b", delimiter="/")]
    assert found[0] == CommonPrefix("bucket", "b/")
    assert found[1].key == "b1"


@pytest.mark.parametrize(
    "body",
    [
        "".join(f"<Contents><Key>{key}</Key><Size>0</Size></Contents>" for key in ("a", "b/1", "b/2", "other/1")),
        "<Contents><Key>a</Key><Size>0</Size></Contents><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"
        "<CommonPrefixes><Prefix>other/</Prefix></CommonPrefixes>",
    ],
    ids=["delimiter", "prefix"],
)
async def test_store_that_ignores_delimiter_or_prefix_is_grouped_here(server, driver, body):
    server.faults.add(
        Fault("garbage_200", "ListObjectsV2", body=f"<ListBucketResult>{body}</ListBucketResult>".encode(), times=9)
    )
    assert await names(driver.iterate_container_objects("bucket", delimiter="/")) == ["a", "b/", "other/"]
    assert await names(driver.iterate_container_objects("bucket", prefix="b", delimiter="/")) == ["b/"]


@pytest.mark.parametrize("delimiter", ["", 5, b"/", "\ud800"])
async def test_invalid_delimiter_is_refused(server, driver, delimiter):
    with pytest.raises(ConfigurationError):
        await names(driver.iterate_container_objects("bucket", delimiter=delimiter))
    assert not server.requests


async def test_directory_bucket_takes_no_other_delimiter(make_driver, small_provider):
    driver = make_driver(provider=dataclasses.replace(small_provider, lists_by_folder=True))
    with pytest.raises(ConfigurationError, match="no delimiter but '/'"):
        await names(driver.iterate_container_objects("bucket", delimiter="|"))


@pytest.mark.parametrize("page_limit", [1, 2, 1000])
async def test_versions_are_listed_by_key_from_the_newest_on(make_driver, small_provider, page_limit):
    async with S3Server(small_provider, versioned_buckets=["bucket"], page_limit=page_limit) as server:
        driver = make_driver(on=server)
        ids = [(await driver.upload_object_via_stream(data, "bucket", "key/ü &")).version_id for data in (b"1", b"22")]
        await driver.upload_object_via_stream(b"", "bucket", "other")
        await driver.delete_object("bucket", "key/ü &")
        found = [version async for version in driver.iterate_object_versions("bucket", prefix="key/")]
    assert {version.version_id for version in found} > set(ids)
    assert {version.key for version in found} == {"key/ü &"}
    assert sorted((version.is_latest, version.is_delete_marker, version.size) for version in found) == [
        (False, False, 1),
        (False, False, 2),
        (True, True, 0),
    ]
    assert page_limit == 1 or found[0].is_latest
    assert all(version.last_modified for version in found)


async def test_bucket_without_versions_lists_null_versions(driver):
    receipt = await driver.upload_object_via_stream(b"data", "bucket", "key")
    (version,) = [version async for version in driver.iterate_object_versions("bucket")]
    assert version == ObjectVersion(
        "bucket", "key", "null", True, False, 4, receipt.etag, version.last_modified, "STANDARD"
    )
    assert (await driver.get_object("bucket", "key", version_id=version.version_id)).size == 4


@pytest.mark.parametrize(
    "body",
    [
        b"<ListVersionsResult><Version><Key>a</Key></Version></ListVersionsResult>",
        b"<ListVersionsResult><DeleteMarker><VersionId>v</VersionId></DeleteMarker></ListVersionsResult>",
        b"<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>",
        b"<html>",
    ],
)
async def test_versions_that_cannot_be_read_are_an_error(server, driver, body):
    server.faults.add(Fault("garbage_200", "ListObjectVersions", body=body, times=9))
    with pytest.raises(ResponseError):
        await names(driver.iterate_object_versions("bucket"))


async def test_store_that_ignores_the_prefix_does_not_widen_the_list_of_versions(server, driver):
    entries = "".join(f"<Version><Key>{key}</Key><VersionId>v</VersionId></Version>" for key in ("other", "mine/1"))
    body = f"<ListVersionsResult>{entries}</ListVersionsResult>".encode()
    server.faults.add(Fault("garbage_200", "ListObjectVersions", body=body))
    assert await names(driver.iterate_object_versions("bucket", prefix="mine/")) == ["mine/1"]


async def test_versions_of_a_missing_bucket_or_of_a_store_without_them_are_an_error(make_driver, small_provider):
    with pytest.raises(ContainerNotFoundError):
        await names(make_driver().iterate_object_versions("missing"))
    driver = make_driver(provider=dataclasses.replace(small_provider, versions=False))
    with pytest.raises(ConfigurationError, match="keeps no versions"):
        await names(driver.iterate_object_versions("bucket"))
