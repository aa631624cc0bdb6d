"""Sessions of S3 Express One Zone: what is in a bucket is signed with keys that the bucket gave for five minutes.

There is one session for each bucket, opened at the first request that needs it
and renewed about a minute before it ends, or when the store does not take it any
more. However many requests wait for it, it is opened once; who is cancelled
while it waits takes nothing from the others.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aios3._protocol.operations import CONTROL_OPERATIONS, CreateSession, Operation
from aios3._protocol.wire.sigv4 import Scope
from aios3.credentials import Credentials

from .client import OperationClient
from .refreshing_credentials import RefreshingCredentials
from .signers import OrdinarySigner

__all__ = ["BucketSessions"]

_SERVICE: Final = "s3express"
_TOKEN_NAME: Final = "X-Amz-S3session-Token"  # noqa: S105 - a name, no token
_WITHOUT_SESSION: Final = CONTROL_OPERATIONS | {CreateSession.name}


class BucketSessions:
    """A signer that opens sessions through its client, with the ordinary keys, and signs with theirs.

    Nothing runs between calls. A client without credentials sends unsigned requests here, too.
    """

    def __init__(self, client: OperationClient) -> None:
        """Take the client that opens the sessions; its ``signer`` has to be set to this one."""
        self._client = client
        self._ordinary = OrdinarySigner(client.credentials, _SERVICE)
        self._by_bucket: dict[str, RefreshingCredentials] = {}

    async def keys_for(self, operation: Operation[Any]) -> Credentials | None:
        """Return the keys of the bucket's session, opened now if need be; the ordinary ones where none is needed.

        Raises:
            ConfigurationError: the session ended before it began.
            DriverClosedError: `aclose` was called meanwhile.
            StorageError: the store opens none; `CredentialsError` if it does not take the ordinary keys.
        """
        session = self._session_of(operation)
        return await (self._ordinary.keys_for(operation) if session is None else session.get_credentials())

    def scope_for(self, operation: Operation[Any], region: str) -> Scope:
        """Return a scope whose token is the session's where a session signs."""
        if self._session_of(operation) is None:
            return self._ordinary.scope_for(operation, region)
        return Scope(region, _SERVICE, _TOKEN_NAME)

    def refused(self, operation: Operation[Any], keys: Credentials) -> None:
        """Forget the session unless there is a newer one, or tell the source of the ordinary keys."""
        session = self._session_of(operation)
        if session is None:
            self._ordinary.refused(operation, keys)
        else:
            session.invalidate(keys)

    async def aclose(self) -> None:
        """End what is being opened; who waits for it gets an error. Harmless at any time."""
        async with AsyncExitStack() as stack:
            for session in self._by_bucket.values():
                stack.push_async_callback(session.aclose)

    def _session_of(self, operation: Operation[Any]) -> RefreshingCredentials | None:
        bucket = operation.bucket
        if bucket is None or operation.name in _WITHOUT_SESSION or self._client.credentials is None:
            return None
        if bucket not in self._by_bucket:
            name = f"the session of bucket {bucket}"
            self._by_bucket[bucket] = RefreshingCredentials(
                partial(self._open, bucket), clock=self._client.clock, name=name
            )
        return self._by_bucket[bucket]

    async def _open(self, bucket: str) -> Credentials:
        keys = await self._client.run(CreateSession(bucket))
        assert keys.expires_at is not None  # what has no end is refused where it is read
        now = self._client.clock.now()
        ahead = (
            self._client.clock_skew.to_server_time(now) - now
        )  # it ends by the store's clock, and is renewed by ours
        return replace(keys, expires_at=keys.expires_at - ahead)
