"""One listing operation after the other, until the store has no further page."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

import pytest

from aios3._client.paging import check_prefix, iterate_pages
from aios3._protocol.operations import ListObjectsV2, ObjectsPage
from aios3.errors import ConfigurationError, ResponseError


@dataclass
class Client:
    """Gives a page for each token, whose next token the dict says; without one it is the last."""

    tokens: dict[str, str]
    asked: int = 0

    async def run(self, operation: ListObjectsV2) -> ObjectsPage:
        self.asked += 1
        return ObjectsPage((), self.tokens.get(operation.token, ""))


async def tokens_of(client: Client) -> list[str]:
    async with aclosing(iterate_pages(client, ListObjectsV2("bucket"))) as pages:
        return [page.next_token async for page in pages]


async def test_pages_are_followed_to_the_last():
    chain = {str(number or ""): str(number + 1) for number in range(100)}
    client = Client(chain)
    assert await tokens_of(client) == [str(number) for number in range(1, 101)] + [""]
    assert client.asked == 101


async def test_nothing_is_asked_for_ahead():
    client = Client({"": "1", "1": "2"})
    async with aclosing(iterate_pages(client, ListObjectsV2("bucket"))) as pages:
        await anext(pages)
        assert client.asked == 1


@pytest.mark.parametrize("lead", [1, 2, 7, 30])
@pytest.mark.parametrize("length", [1, 2, 3, 10])
async def test_a_circle_is_found(lead, length):
    names = ["", *(str(number) for number in range(1, lead + length))]
    chain = dict(zip(names, [*names[1:], names[lead]], strict=True))
    client = Client(chain)
    with pytest.raises(ResponseError, match="repeats its pages") as caught:
        await tokens_of(client)
    assert (caught.value.operation, caught.value.bucket) == ("ListObjectsV2", "bucket")
    assert client.asked <= 3 * (lead + length) + 3


@pytest.mark.parametrize("prefix", ["", "a/", " ", "ü" * 512])
def test_what_a_key_can_begin_with_is_a_prefix(prefix):
    check_prefix(prefix)


@pytest.mark.parametrize("prefix", [None, b"a", 1, "\udcff", "ü" * 512 + "x"])
def test_what_no_key_can_begin_with_is_none(prefix):
    """It would be an odd request, or a silently empty answer."""
    with pytest.raises(ConfigurationError, match="prefix"):
        check_prefix(prefix)
