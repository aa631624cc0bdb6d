"""Reader of one version of an object, over as many responses as necessary."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final, Self

from aios3._concurrency.caller_errors import note
from aios3._protocol.attributes.options import NO_OPTIONS, RequestOptions
from aios3._protocol.operations import GetObject, HeadObject
from aios3._protocol.policies.retry import decide
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.response_headers import read_content_range
from aios3._transport.interface import StreamedResponse
from aios3.errors import ConfigurationError, IntegrityError, PreconditionFailedError, ResponseError, TransportError
from aios3.models import StorageObject

from .client import OperationClient

__all__ = ["ObjectReader"]

_RANGE_NOT_SATISFIABLE: Final = 416


class ObjectReader:
    """Reads an object once, from offset `start` up to but not including `end`. Iterate over it, then close it.

    `open` may be called first: then the object is known before its first byte.

    After a response that breaks off, the rest is requested, on the condition that the
    object still has the ETag of the first response. A response that brought bytes resets
    the count of attempts, so the sum of short breaks does not end a long download. The
    driver's retry budget bounds all breaks.

    Raises:
        IntegrityError: the object was replaced meanwhile; the bytes given are of the earlier version.
        ResponseError: the store refused; status 416 if the object ends before the start.
        TransportError: no response came, or responses broke off too often.
        DriverClosedError: the driver was closed meanwhile.
        ConfigurationError: the reader is used after it was closed or has failed.
    """

    def __init__(
        self,
        client: OperationClient,
        bucket: str,
        key: str,
        *,
        chunk_size: int,
        start: int = 0,
        end: int | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Take the range to read; `end` is not before `start`, and a chunk has at most `chunk_size` bytes."""
        self._client = client
        self._bucket = bucket
        self._key = key
        self._chunk_size = chunk_size
        self._options = options
        self._start = self._position = start
        self._asked_end = self._end = end
        self._attempts = 0
        """Responses in a row without bytes, plus the last one with bytes."""
        self._is_closed = False
        self._is_version_known = False
        """Whether the caller knows the version that is read."""
        self.found: StorageObject | None = None
        """Object as the first response describes it; its size is that of the section to be read."""
        self.size = 0
        """Bytes of the whole object, once it is found; its known end, if the store does not state its size."""
        self._pieces = self._read()

    async def open(self) -> StorageObject:
        """Wait for the first response, and return the object as described. From then on only that version is read."""
        await anext(self._pieces, b"")
        assert self.found is not None
        self._is_version_known = True
        return self.found

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes, at least one."""
        async for piece in self._pieces:
            if piece:
                return piece
        if self._is_closed or self._is_unfinished():
            raise ConfigurationError(
                f"no further bytes of {self._bucket}/{self._key} can be read: the block of open_object was left, or "
                "reading them has failed"
            )
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Free the connection. Closing twice is harmless."""
        self._is_closed = True
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[bytes]:
        """Yield all the bytes, or raise. An empty piece reports that a response has come."""
        if self._asked_end == self._start:  # HTTP has no empty range
            self._describe_nothing_of(await self._look())
        while self._is_unfinished():
            before, broken = self._position, None
            try:
                async with self._client.open(self._operation(), chunk_size=self._chunk_size) as response:
                    self._compare(response)
                    yield b""
                    try:
                        async for chunk in response.chunks:
                            if not (wanted := chunk[: self._missing()]):
                                break  # the store sends more than the range
                            self._position += len(wanted)
                            yield wanted
                    except TransportError as error:
                        broken = error
            except ResponseError as error:
                if self._is_range_of_nothing(error) and not (found := await self._look()).size:
                    self._describe_nothing_of(found)
                    return
                if self._is_replaced(error):
                    raise self._replaced() from error
                raise
            if self._is_unfinished():
                self._attempts = 1 if self._position > before else self._attempts + 1
                await self._wait_for_retry(broken or TransportError("GetObject: the response ended too early"))

    async def _look(self) -> StorageObject:
        options = self._options
        return await self._client.run(HeadObject(self._bucket, self._key, options.headers, options.version_id))

    def _describe_nothing_of(self, found: StorageObject) -> None:
        """Record the object, of which no byte is to be read."""
        self.size, self._end = found.size, self._start
        self.found = replace(found, size=0)

    def _is_unfinished(self) -> bool:
        return self.found is None or self._missing() > 0

    def _missing(self) -> int:
        assert self._end is not None  # known from the first response
        return self._end - self._position

    def _operation(self) -> GetObject:
        if_match = None if self.found is None else self.found.etag
        options = self._options
        return GetObject(
            self._bucket,
            self._key,
            self._position,
            self._end,
            if_match,
            headers=options.headers,
            version_id=options.version_id,
        )

    def _compare(self, response: StreamedResponse) -> None:
        """Learn the object from the first response, and compare later ones with it (some stores ignore If-Match)."""
        found = self._operation().read(Response(response.status, response.headers))
        if self.found is not None:
            if found.etag != self.found.etag:
                raise self._replaced()
            return
        section = read_content_range(response.headers)
        total = None if section is None else section.total
        last = self._position + found.size if total is None else total
        self.size, self._end = last, last if self._end is None else min(self._end, last)
        self.found = replace(found, size=self._missing())

    def _is_range_of_nothing(self, error: ResponseError) -> bool:
        """Return whether the range may have been refused only because the object is empty."""
        return error.status == _RANGE_NOT_SATISFIABLE and self._position == 0 and self.found is None

    def _is_replaced(self, error: ResponseError) -> bool:
        """Return whether the rest was refused because the object has been replaced, perhaps by a shorter one."""
        is_other = isinstance(error, PreconditionFailedError) or error.status == _RANGE_NOT_SATISFIABLE
        return is_other and self.found is not None

    def _replaced(self) -> IntegrityError:
        return IntegrityError(
            f"{self._bucket}/{self._key} was replaced while it was read: "
            f"the bytes up to offset {self._position} are of the earlier version"
        )

    async def _wait_for_retry(self, broken: TransportError) -> None:
        """Return when the next attempt is due, or raise."""
        if self._position == self._start and not self._is_version_known:
            self.found, self._end = None, self._asked_end  # no byte was given, so any version is good
        elif not (self.found and self.found.etag):
            note(broken, "aios3: the store gave no ETag, so the rest cannot be requested safely")
            raise broken
        client = self._client
        retry = decide(broken, attempt=self._attempts, policy=client.policy, random=client.clock.random())
        if retry is None or not client.budget.take(retry.cost):
            note(broken, f"aios3: gave up at offset {self._position}")
            raise broken
        await client.clock.sleep(retry.delay)
