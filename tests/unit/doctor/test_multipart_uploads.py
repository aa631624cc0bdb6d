"""What a store does with multipart uploads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aios3.providers import PROVIDERS
from aios3.testing import Fault, S3Server
from tests.support.examination import examine

_LISTED = (
    b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>1</Size><ETag>x</ETag></Part>"
    b"<IsTruncated>false</IsTruncated></ListPartsResult>"
)


@pytest.mark.parametrize(("is_known", "level"), [(True, "ok"), (False, "problem")])
async def test_parts_of_one_size_are_a_problem_only_if_the_record_does_not_know(is_known: bool, level: str) -> None:
    store = replace(PROVIDERS["generic"], equal_parts=True)
    async with S3Server(store) as server:
        assert (await examine(server, store if is_known else None))["unequal parts"].level == level


async def test_a_refusal_that_ends_the_upload_makes_the_rest_go_on_with_another() -> None:
    async with S3Server() as server:
        server.faults.add(Fault("answer", "CompleteMultipartUpload", nth=2, status=404, code="NoSuchUpload"))
        found = await examine(server)
        assert "could not find this out" in found["If-None-Match of Complete"].text
        assert (found["unequal parts"].level, server.open_uploads) == ("ok", [])


async def test_a_list_that_lacks_a_part_is_a_warning() -> None:
    async with S3Server() as server:
        server.faults.add(Fault("garbage_200", "ListParts", body=_LISTED))
        assert "lists 1 of the 2 stored parts" in (await examine(server))["ListParts"].text


async def test_a_store_without_a_minimum_gets_no_large_part() -> None:
    async with S3Server(replace(PROVIDERS["generic"], min_part_size=1)) as server:
        found = await examine(server)
        assert found["minimum part"].text == "the store accepts parts of any size"
        assert found["unequal parts"].level == "ok"
        assert max(len(request.body or b"") for request in server.requests) < 1000
