"""Object beside an open multipart upload that holds the bytes behind its last whole part."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aios3._protocol.operations import DeleteObject
from aios3._upload.bytes_upload import BytesUpload
from aios3._upload.shared.engine import Engine
from aios3.errors import IntegrityError, ObjectNotFoundError
from aios3.models import UploadAttributes

from .arguments import make_job
from .base import DriverBase
from .downloads import get_object, open_object

__all__ = ["Tail", "TailObject", "TailReplacedError", "key_of_tail"]

_START: Final = "start"
_FOLDER: Final = ".durable/"
_ENCRYPTION: Final = (
    "server_side_encryption", "sse_kms_key_id", "sse_kms_context", "sse_bucket_key", "sse_customer_key",
)  # fmt: skip
_ACCESS: Final = ("request_payer", "expected_bucket_owner")


class TailReplacedError(IntegrityError):
    """The tail is no longer the one that was found."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Tail as it was found."""

    start: int | None
    """Offset in bytes of its first byte in the object that is uploaded; ``None`` if the object does not say."""
    size: int
    """Bytes."""
    metadata: Mapping[str, str]
    """What was written with it."""
    etag: str


def key_of_tail(key: str) -> str:
    """Return the key of the tail of an upload to `key`. It lies in a folder beside the object."""
    folder = key[: key.rfind("/") + 1]
    return f"{folder}{_FOLDER}{hashlib.sha256(key.encode()).hexdigest()[:40]}"


class TailObject:
    """Writes, finds and reads the tail of one upload."""

    def __init__(
        self,
        driver: DriverBase,
        bucket: str,
        key: str,
        attributes: UploadAttributes | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Take the place; nothing is sent.

        Args:
            driver: sends the requests.
            bucket: the container.
            key: key of the tail itself.
            attributes: attributes of the upload. The tail is encrypted in the same way.
            engine: engine of the driver, which also serves while the driver is closing; ``None`` opens the driver.
        """
        given: dict[str, Any] = {**(attributes or {})}
        self._driver = driver
        self._engine = engine
        self._place = bucket, key
        self._access = {name: given[name] for name in _ACCESS if given.get(name) is not None}
        self._encryption = {name: given[name] for name in _ENCRYPTION if given.get(name) is not None}
        customer_key = self._encryption.get("sse_customer_key")
        self._reading = self._access if customer_key is None else {**self._access, "sse_customer_key": customer_key}

    async def find(self) -> Tail | None:
        """Return the tail; ``None`` if there is none."""
        try:
            found = await get_object(self._driver, *self._place, **self._reading)
        except ObjectNotFoundError:
            return None
        start = found.metadata.get(_START, "")
        is_number = start.isascii() and start.isdigit()
        return Tail(int(start) if is_number else None, found.size, found.metadata, found.etag)

    async def read(self, start: int, size: int) -> AsyncGenerator[bytes]:
        """Yield the `size` bytes of the tail that begins at offset `start`.

        Raises:
            TailReplacedError: it is another tail by now.
        """
        async with open_object(self._driver, *self._place, **self._reading) as tail:
            if tail.metadata.get(_START) != str(start) or tail.size != size:
                raise TailReplacedError(f"the tail {'/'.join(self._place)} was replaced")
            async for chunk in tail:
                yield chunk

    async def write(
        self,
        start: int,
        data: bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Replace the tail by `data`, the bytes from offset `start` on, in one PutObject.

        Args:
            start: offset in bytes.
            data: the bytes.
            metadata: what `find` returns with it.
            if_match: ETag that the replaced tail must have; ``None`` without this condition.
            if_none_match: ``"*"`` if there must be no tail; ``None`` without this condition.

        Raises:
            PreconditionFailedError, ConflictError, ObjectNotFoundError: a condition does not hold.
        """
        own = self._driver._transfer
        size = max(len(data), own.part_size)
        transfer = replace(own, part_size=size, memory_limit=max(size, own.memory_limit), spill_directory=None)
        attributes: Any = {
            **self._encryption,
            **self._access,
            "content_type": "application/octet-stream",
            "metadata": {**(metadata or {}), _START: str(start)},
            "if_match": if_match,
            "if_none_match": if_none_match,
        }
        job = make_job(
            self._driver._provider,
            transfer,
            *self._place,
            size=len(data),
            max_size=None,
            on_progress=None,
            transfer=transfer,
            resume=None,
            attributes=attributes,
        )
        await BytesUpload(await self._open(), job, data).run()

    async def delete(self) -> None:
        """Delete the tail. It need not exist."""
        headers = {"request_payer": "x-amz-request-payer", "expected_bucket_owner": "x-amz-expected-bucket-owner"}
        known = {headers[name]: str(value) for name, value in self._access.items()}
        client = (await self._open()).client
        try:
            await client.run(DeleteObject(*self._place, known))
        except ObjectNotFoundError:
            return

    async def _open(self) -> Engine:
        return self._engine or await self._driver._open()
