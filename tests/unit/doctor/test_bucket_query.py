"""A question about a bucket."""

from __future__ import annotations

import pytest

from aios3._doctor.bucket_query import BucketQuery
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ResponseError

_QUERY = BucketQuery("GetBucketLifecycleConfiguration", "bucket", (("lifecycle", ""),), "LifecycleConfiguration")


def test_it_reads_only_the_document_that_it_asks_for() -> None:
    """Some stores list the bucket instead."""
    request = _QUERY.build(Endpoint.parse("http://store.example", "path"))
    assert (request.method, request.path, request.query) == ("GET", "/bucket", (("lifecycle", ""),))
    assert _QUERY.read(Response(200, {}, b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>")).all("Rule")
    with pytest.raises(ResponseError):
        _QUERY.read(Response(200, {}, b"<ListBucketResult/>"))
