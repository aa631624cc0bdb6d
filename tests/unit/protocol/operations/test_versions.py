"""Listing of versions: the order, and what cannot be read."""

from __future__ import annotations

import pytest

from aios3._protocol.operations.versions import ListObjectVersions
from aios3._protocol.wire.messages import Response
from aios3.errors import ResponseError

LIST = ListObjectVersions("b", "p", "k", "v")


def entry(kind: str, key: str, version: str, moment: str, latest: str = "false") -> str:
    fields = f"<Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>"
    return f"<{kind}>{fields}<LastModified>2026-01-0{moment}T00:00:00Z</LastModified></{kind}>"


def page(*entries: str) -> Response:
    return Response(200, {}, f"<ListVersionsResult>{''.join(entries)}</ListVersionsResult>".encode())


def test_versions_and_markers_are_merged_by_key_and_age() -> None:
    response = page(
        entry("DeleteMarker", "a", "4", "4", "true"),
        entry("Version", "a", "3", "3"),
        entry("DeleteMarker", "a", "2", "2"),
        entry("Version", "a", "1", "1"),
        entry("Version", "b", "5", "1", "true"),
    )
    found = LIST.read(response).versions
    assert [version.version_id for version in found] == ["4", "3", "2", "1", "5"]
    assert [version.is_delete_marker for version in found] == [True, False, True, False, False]


def test_following_page_begins_at_both_markers() -> None:
    markers = "<NextKeyMarker>k2</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>"
    following = LIST.following(LIST.read(page("<IsTruncated>true</IsTruncated>", markers)))
    assert following is not None
    assert (following.key_marker, following.version_id_marker, following.prefix) == ("k2", "v2", "p")
    assert LIST.following(LIST.read(page())) is None


@pytest.mark.parametrize(
    "markers", ["", "<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"]
)
def test_page_that_does_not_advance_is_an_error(markers: str) -> None:
    with pytest.raises(ResponseError, match="does not advance"):
        LIST.read(page("<IsTruncated>true</IsTruncated>", markers))
