"""The bytes of one version of an object, over as many answers as that takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final, Self

from aios3._concurrency.caller_errors import note
from aios3._protocol.operations import GetObject, HeadObject
from aios3._protocol.policies.retry import decide
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.response_headers import read_content_range
from aios3._transport.base import StreamedResponse
from aios3.errors import ConfigurationError, IntegrityError, PreconditionFailedError, ResponseError, TransportError
from aios3.models import StorageObject

from .client import OperationClient

__all__ = ["ObjectReader"]

_RANGE_NOT_SATISFIABLE: Final = 416


class ObjectReader:
    """Reads an object from offset `start` up to but without `end`, once: iterate over it, and close it afterwards.

    `open` may come first: then the object is known before its first byte.

    An answer that breaks off is followed by one for the rest, on the condition
    that the object still has the ETag of the first answer. An answer that
    brought bytes makes the count of attempts begin again, so that a long
    download is not ended by the sum of its short breaks; the driver's retry
    budget bounds them all.

    Raises:
        IntegrityError: the object was replaced meanwhile: the bytes given are of the version before.
        ResponseError: the store refused; status 416 if the object ends before the start.
        TransportError: no answer came, or they broke off too often.
        DriverClosedError: the driver was closed meanwhile.
        ConfigurationError: it is read further although it was closed, or has failed.
    """

    def __init__(
        self, client: OperationClient, bucket: str, key: str, *, chunk_size: int, start: int = 0, end: int | None = None
    ) -> None:
        """Take what to read; `end` is not before `start`, and chunks are never longer than `chunk_size` bytes."""
        self._client = client
        self._bucket = bucket
        self._key = key
        self._chunk_size = chunk_size
        self._start = self._position = start
        self._asked_end = self._end = end
        self._attempts = 0
        """Answers in a row that brought nothing, and the last one that did."""
        self._is_closed = False
        self._is_told = False
        """The caller knows which version it is that is read."""
        self.found: StorageObject | None = None
        """The object as the first answer describes it; its size is that of the part to be read."""
        self.size = 0
        """Bytes of the whole object, once it is found; as far as its end is known, where the store does not tell."""
        self._pieces = self._read()

    async def open(self) -> StorageObject:
        """Wait for the first answer, and return what it says of the object. From now on only that version is read."""
        await anext(self._pieces, b"")
        assert self.found is not None
        self._is_told = True
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
                f"no more bytes of {self._bucket}/{self._key} can be read: the block of open_object was left, or "
                "reading them has failed"
            )
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Free the connection. Closing twice is harmless."""
        self._is_closed = True
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[bytes]:
        """Yield all the bytes, or raise; an empty piece says that an answer has come."""
        if self._asked_end == self._start:  # HTTP knows no empty range
            self._describe_nothing_of(await self._look())
        while self._is_unfinished():
            before, broken = self._position, None
            try:
                async with self._client.open(self._operation(), chunk_size=self._chunk_size) as answer:
                    self._compare(answer)
                    yield b""
                    try:
                        async for chunk in answer.chunks:
                            if not (wanted := chunk[: self._missing()]):
                                break  # the store sends more than it was asked for
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
                await self._wait_to_go_on(broken or TransportError("GetObject: the answer ended before its time"))

    async def _look(self) -> StorageObject:
        return await self._client.run(HeadObject(self._bucket, self._key))

    def _describe_nothing_of(self, found: StorageObject) -> None:
        """Note the object, of which no byte is to be read."""
        self.size, self._end = found.size, self._start
        self.found = replace(found, size=0)

    def _is_unfinished(self) -> bool:
        return self.found is None or self._missing() > 0

    def _missing(self) -> int:
        assert self._end is not None  # known from the first answer
        return self._end - self._position

    def _operation(self) -> GetObject:
        if_match = None if self.found is None else self.found.etag
        return GetObject(self._bucket, self._key, self._position, self._end, if_match)

    def _compare(self, answer: StreamedResponse) -> None:
        """Learn from the first answer what is read; hold every further one against it (some stores ignore If-Match)."""
        found = self._operation().read(Response(answer.status, answer.headers))
        if self.found is not None:
            if found.etag != self.found.etag:
                raise self._replaced()
            return
        section = read_content_range(answer.headers)
        total = None if section is None else section.total
        last = self._position + found.size if total is None else total
        self.size, self._end = last, last if self._end is None else min(self._end, last)
        self.found = replace(found, size=self._missing())

    def _is_range_of_nothing(self, error: ResponseError) -> bool:
        """Return whether the range was refused only because there is not even a first byte."""
        return error.status == _RANGE_NOT_SATISFIABLE and self._position == 0 and self.found is None

    def _is_replaced(self, error: ResponseError) -> bool:
        """Return whether the rest was refused because the object is another one, or shorter, by now."""
        is_other = isinstance(error, PreconditionFailedError) or error.status == _RANGE_NOT_SATISFIABLE
        return is_other and self.found is not None

    def _replaced(self) -> IntegrityError:
        return IntegrityError(
            f"{self._bucket}/{self._key} was replaced while it was read: "
            f"what was given, up to offset {self._position}, is of the version before"
        )

    async def _wait_to_go_on(self, broken: TransportError) -> None:
        """Return when the next attempt is due, or raise."""
        if self._position == self._start and not self._is_told:
            self.found, self._end = None, self._asked_end  # nothing was given, so any version will do
        elif not (self.found and self.found.etag):
            note(broken, "aios3: the store gave no ETag, so the rest cannot be asked for safely")
            raise broken
        client = self._client
        retry = decide(broken, attempt=self._attempts, policy=client.policy, random=client.clock.random())
        if retry is None or not client.budget.take(retry.cost):
            note(broken, f"aios3: gave up at offset {self._position}")
            raise broken
        await client.clock.sleep(retry.delay)
