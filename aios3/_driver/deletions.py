"""Driver methods that delete objects."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Unpack

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._concurrency.caller_errors import note
from aios3._concurrency.task_group import PartTasks
from aios3._concurrency.threads import hash_body
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.options import RequestOptions, read_options
from aios3._protocol.checksums.digests import checksum_header, checksum_of, md5_hex
from aios3._protocol.operations import MOST_KEYS, DeleteObject, DeleteObjects, HeadObject, is_exact_in_xml
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.errors import (
    ConfigurationError,
    ContainerNotFoundError,
    CredentialsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    ResponseError,
)
from aios3.models import DeleteOptions, DeletionFailure, DeletionResult, ListOptions, ObjectVersion

__all__ = ["delete_object", "delete_objects"]

_LOG: Final = logging.getLogger("aios3")

_AT_ONCE: Final = 16
"""Single deletions in flight, where keys cannot be deleted many in a request."""

_NOT_IMPLEMENTED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})
_TRY_AGAIN: Final = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted"})
"""Codes of failures that a request of its own, which is retried, may overcome."""

Target = tuple[str, str | None]
"""Key and version of an object; ``None`` means the object itself."""


async def delete_object(driver: DriverBase, bucket: str, key: str, **options: Unpack[DeleteOptions]) -> None:
    """See `S3StorageDriver.delete_object`."""
    check_bucket(bucket)
    check_key(key)
    read = read_options(DeleteOptions, options, driver._provider)
    if "if-match" in read.headers and driver._provider.conditional_delete is False:
        raise ConfigurationError(f"{driver._provider.name} ignores if_match when it deletes")
    engine = await driver._open()
    await _delete_one(engine.client, DeleteObject(bucket, key, read.headers, read.version_id))


async def _delete_one(client: OperationClient, operation: DeleteObject) -> None:
    """Delete one object. That it is missing is an error only under a condition.

    After a lost response, the store may refuse the repetition because the first attempt has deleted the object.
    """
    log = FailedAttempts()
    try:
        await client.run(operation, log=log)
    except ObjectNotFoundError as error:
        has_condition = "if-match" in operation.headers
        if error.code != "NoSuchKey" or (has_condition and not log.has_unknown_outcome):
            raise
    except PreconditionFailedError:
        if not log.has_unknown_outcome or await _is_there(client, operation):
            raise


async def _is_there(client: OperationClient, operation: DeleteObject) -> bool:
    headers = {name: value for name, value in operation.headers.items() if name != "if-match"}
    try:
        await client.run(HeadObject(operation.bucket, operation.key, headers, operation.version_id))
    except ObjectNotFoundError:
        return False
    return True


async def delete_objects(
    driver: DriverBase,
    bucket: str,
    keys: Iterable[str | ObjectVersion] | AsyncIterable[str | ObjectVersion],
    **options: Unpack[ListOptions],
) -> DeletionResult:
    """See `S3StorageDriver.delete_objects`."""
    check_bucket(bucket)
    read = read_options(ListOptions, options, driver._provider)
    targets = _targets(driver, bucket, keys)
    engine = await driver._open()
    deletion = _Deletion(engine.client, bucket, read, driver._provider.content_md5 is not False)
    try:
        async with aclosing(targets), aclosing(_batches(targets)) as batches:
            async for batch in batches:
                await deletion.delete(batch)
    except Exception as error:
        note(error, f"aios3: {deletion.deleted} objects of {bucket} had been deleted, {len(deletion.failures)} refused")
        raise
    if deletion.failures:
        first = deletion.failures[0]
        _LOG.warning(
            "%d objects of %s could not be deleted, among them %r: %s", len(deletion.failures), bucket, first.key, first
        )
    return DeletionResult(deletion.deleted, tuple(deletion.failures))


def _targets(driver: DriverBase, bucket: str, keys: object) -> AsyncGenerator[Target]:
    """Return the objects that `keys` names.

    Raises:
        TypeError: `keys` is no iterable of keys.
    """
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable | AsyncIterable):
        raise TypeError(f"keys must be an iterable or async iterable of keys, not a {type(keys).__name__}")
    return _read_targets(driver, bucket, keys)


async def _read_targets(
    driver: DriverBase, bucket: str, keys: Iterable[object] | AsyncIterable[object]
) -> AsyncGenerator[Target]:
    if isinstance(keys, AsyncGenerator):
        async with aclosing(keys):
            async for each in keys:
                yield _target(driver, bucket, each)
    elif isinstance(keys, AsyncIterable):
        async for each in keys:
            yield _target(driver, bucket, each)
    else:
        for each in keys:
            yield _target(driver, bucket, each)


def _target(driver: DriverBase, bucket: str, each: object) -> Target:
    if isinstance(each, ObjectVersion):
        if each.bucket != bucket:
            raise ConfigurationError(f"the version {each.key!r:.80} is of the bucket {each.bucket}, not of {bucket}")
        if driver._provider.versions is False:
            raise ConfigurationError(f"provider {driver._provider.name!r} keeps no versions")
        check_key(each.key)
        return each.key, each.version_id
    if not isinstance(each, str):
        raise TypeError(f"a key must be a string or an ObjectVersion, not a {type(each).__name__}")
    check_key(each)
    return each, None


async def _batches(targets: AsyncGenerator[Target]) -> AsyncGenerator[list[Target]]:
    """Yield the objects in groups of 1,000, each object once in a group."""
    batch: dict[Target, None] = {}
    async for target in targets:
        batch[target] = None
        if len(batch) == MOST_KEYS:
            yield list(batch)
            batch.clear()
    if batch:
        yield list(batch)


@dataclass(eq=False)
class _Deletion:
    """Deletes many objects of one bucket, and records each failure."""

    client: OperationClient
    bucket: str
    options: RequestOptions
    takes_md5: bool
    """The store takes Content-MD5; otherwise a CRC32 is sent."""
    deleted: int = 0
    failures: list[DeletionFailure] = field(default_factory=list)
    _takes_many: bool = True
    """The store has not refused to delete many objects in a request."""

    async def delete(self, batch: list[Target]) -> None:
        """Delete the objects of one batch.

        Raises:
            StorageError: the store refused the whole request, or does not respond.
        """
        together = [target for target in batch if is_exact_in_xml(target[0])] if self._takes_many else []
        alone = [target for target in batch if not is_exact_in_xml(target[0])] if self._takes_many else batch
        if together:
            alone += await self._delete_together(together)
        await self._delete_alone(alone)

    async def _delete_together(self, targets: list[Target]) -> list[Target]:
        """Delete objects by one request, and return those that need a request of their own."""
        operation = DeleteObjects(self.bucket, targets, self.options.headers)
        digest = await self._digest(operation.body)
        operation = DeleteObjects(self.bucket, targets, {**self.options.headers, **digest})
        try:
            report = await self.client.run(operation)
        except ResponseError as error:
            if error.code not in _NOT_IMPLEMENTED and error.status != 501:
                raise
            self._takes_many = False
            return targets
        failed = {(failure.key, failure.version_id): failure for failure in report.failures}
        again: list[Target] = []
        for target in targets:
            bare = (target[0], None)  # some stores do not repeat the version
            failure = failed.get(target) or failed.get(bare)
            if failure is None and (target in report.deleted or bare in report.deleted):
                self.deleted += 1
            elif failure is None or failure.code in _TRY_AGAIN:
                again.append(target)
            else:
                self.failures.append(DeletionFailure(*target, failure.code, failure.message))
        return again

    async def _digest(self, body: bytes) -> dict[str, str]:
        """Return the header with a digest of the body, which S3 demands."""
        if not self.takes_md5:
            return {checksum_header("crc32"): await hash_body(lambda data: checksum_of("crc32", data), (body,))}
        return {"content-md5": base64.b64encode(bytes.fromhex(await hash_body(md5_hex, (body,)))).decode()}

    async def _delete_alone(self, targets: list[Target]) -> None:
        """Delete each object by a request of its own, some at once."""
        pending = iter(targets)

        async def work() -> None:
            for key, version_id in pending:
                await self._delete_single(key, version_id)

        async with PartTasks() as group:
            for _ in range(min(_AT_ONCE, len(targets))):
                _ = group.create_task(work(), name=f"aios3: delete objects of {self.bucket}")

    async def _delete_single(self, key: str, version_id: str | None) -> None:
        try:
            await _delete_one(self.client, DeleteObject(self.bucket, key, self.options.headers, version_id))
        except (ContainerNotFoundError, CredentialsError):  # the same would happen to every other object
            raise
        except ResponseError as error:
            self.failures.append(DeletionFailure(key, version_id, error.code, error.message))
        else:
            self.deleted += 1
