"""Objects, once they are there: look at one, delete one."""

from __future__ import annotations

from aios3._driver.base import DriverBase
from aios3._protocol.operations import DeleteObject, HeadObject
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.models import StorageObject

__all__ = ["ObjectMethods"]


class ObjectMethods(DriverBase):
    """The driver methods that are about one object and do not move its bytes."""

    async def get_object(self, bucket: str, key: str) -> StorageObject:
        """Look at an object, by one HEAD.

        Raises:
            ObjectNotFoundError: there is none, or no such bucket: the answer to HEAD does not tell which.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        return await engine.client.run(HeadObject(bucket, key))

    async def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist is no error to S3.

        Raises:
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        await engine.client.run(DeleteObject(bucket, key))
