"""The key that was asked for is the key that is written, or it is refused; never another one."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Awaitable, Callable
from urllib.parse import quote, unquote, unquote_plus

from aios3 import ConfigurationError, ResponseError, RetryPolicy, S3StorageDriver
from tests.conformance.endpoints import CONFIGURED, PART, Endpoint
from tests.conformance.exchange import payload, put, read, verify
from tests.conformance.known_limits import REFUSED_KEYS
from tests.conformance.registry import CHECKS, check

KEYS: dict[str, Callable[[str], str]] = {
    "spaces": lambda own: f"{own}with  two spaces",
    "space at the end": lambda own: f"{own}space at the end ",
    "plus": lambda own: f"{own}a+b",
    "percent": lambda own: f"{own}50%, a%2Fb, %zz",
    "reserved": lambda own: f"{own}?a=b&c#d;e:f@g,h$i[j]",
    "quotes": lambda own: f"{own}<a>&amp;\"b\"'c'`",
    "unreserved": lambda own: f"{own}~(a)!*_-.",
    "backslash": lambda own: f"{own}a\\b",
    "NFC": lambda own: own + unicodedata.normalize("NFC", "é.txt"),
    "NFD": lambda own: own + unicodedata.normalize("NFD", "é.txt"),
    "emoji": lambda own: f"{own}🎬.mp4",
    "long": lambda own: own + "/".join(["x" * 200] * 4),
    "slash at the end": lambda own: f"{own}folder/",
    "double slash": lambda own: f"{own}a//b",
    "leading slash": lambda own: f"/{own}a",
    "dot segment": lambda own: f"{own}a/./b",
    "dot dot segment": lambda own: f"{own}a/../b",
    "leading dot dot": lambda own: f"../{own}a",
    "dot dots only": lambda own: "../..",
    "dot only": lambda own: ".",
}
"""From a prefix that is the check's own to the key."""


def _key_check(name: str) -> Callable[[Endpoint], Awaitable[None]]:
    async def run(endpoint: Endpoint) -> None:
        key, data = KEYS[name](endpoint.prefix), name.encode()
        before = _files(endpoint)
        async with endpoint.driver(retry=RetryPolicy(max_attempts=1)) as driver:
            is_refused = await _is_refused(driver, endpoint, key, data)
            if not is_refused:
                assert await read(driver, endpoint, key) == data
                assert (await driver.get_object(endpoint.bucket, key)).key == key
            others = await _neighbours_that_exist(driver, endpoint, key)
            assert not others, f"also found as {others!a}"
            assert _files(endpoint) - before <= {f"{endpoint.bucket}/{key}"}
            if not is_refused:
                await driver.delete_object(endpoint.bucket, key)
        if endpoint.name != CONFIGURED:
            assert is_refused == (name in REFUSED_KEYS.get(endpoint.name, ()))

    return run


for _name in KEYS:
    CHECKS[f"the_key_is_exact_or_refused[{_name}]"] = _key_check(_name)


async def _is_refused(driver: S3StorageDriver, endpoint: Endpoint, key: str, data: bytes) -> bool:
    try:
        await put(driver, endpoint, key, data)
    except (ResponseError, ConfigurationError):
        return True
    return False


def _files(endpoint: Endpoint) -> set[str]:
    return set() if endpoint.list_files is None else endpoint.list_files()


async def _neighbours_that_exist(driver: S3StorageDriver, endpoint: Endpoint, key: str) -> list[str]:
    """Return which of the keys exist that a client or a store could take this one for."""
    found = []
    for neighbour in sorted(_neighbours(key) - {key, ""}):
        try:
            await driver.get_object(endpoint.bucket, neighbour)
        except (ResponseError, ConfigurationError):
            continue
        found.append(neighbour)
    return found


def _neighbours(key: str) -> set[str]:
    return {
        posixpath.normpath(key),
        posixpath.normpath(f"/{key}"),
        posixpath.normpath(f"/{key}").lstrip("/"),
        re.sub("/+", "/", key),
        key.strip("/"),
        key.strip(),
        key.replace("\\", "/"),
        key.partition("?")[0],
        key.partition("#")[0],
        quote(key),
        unquote(key),
        unquote_plus(key),
        unicodedata.normalize("NFC", key),
        unicodedata.normalize("NFD", key),
    }


@check
async def a_hostile_key_works_in_parts(endpoint: Endpoint) -> None:
    """Every request of a multipart upload names the same key."""
    key, data = endpoint.key("sp ace+%41 é🎬?uploads=&x#y;z.bin"), payload(PART + 1)
    async with endpoint.driver() as driver:
        await verify(driver, endpoint, await put(driver, endpoint, key, data), data)
