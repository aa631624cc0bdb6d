"""Driver methods that delete objects."""

from __future__ import annotations

from typing import Unpack

from aios3._client.client import OperationClient
from aios3._client.failed_attempts import FailedAttempts
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.options import RequestOptions, read_options
from aios3._protocol.operations import DeleteObject, HeadObject
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.errors import ConfigurationError, ObjectNotFoundError, PreconditionFailedError
from aios3.models import DeleteOptions

__all__ = ["delete_object"]


async def delete_object(driver: DriverBase, bucket: str, key: str, **options: Unpack[DeleteOptions]) -> None:
    """See `S3StorageDriver.delete_object`."""
    check_bucket(bucket)
    check_key(key)
    read = _read_options(driver, options)
    engine = await driver._open()
    await delete_one(engine.client, DeleteObject(bucket, key, read.headers, read.version_id))


async def delete_one(client: OperationClient, operation: DeleteObject) -> None:
    """Delete one object. That it is missing is an error only under a condition.

    After a lost response, the store may refuse the repetition because the first attempt has deleted the object.
    """
    log = FailedAttempts()
    has_condition = "if-match" in operation.headers
    try:
        await client.run(operation, log=log)
    except ObjectNotFoundError as error:
        if error.code != "NoSuchKey" or (has_condition and not log.has_unknown_outcome):
            raise
    except PreconditionFailedError:
        if not log.has_unknown_outcome or await _is_there(client, operation):
            raise


async def _is_there(client: OperationClient, operation: DeleteObject) -> bool:
    try:
        await client.run(HeadObject(operation.bucket, operation.key))
    except ObjectNotFoundError:
        return False
    return True


def _read_options(driver: DriverBase, options: DeleteOptions) -> RequestOptions:
    read = read_options(DeleteOptions, options, driver._provider)
    if "if-match" in read.headers and driver._provider.conditional_delete is False:
        raise ConfigurationError(f"{driver._provider.name} ignores if_match when it deletes")
    return read
