"""Sessions of S3 Express One Zone: requests about objects are signed with keys that the bucket gave for five minutes.

There is one session for each bucket. It is opened at the first request that needs
it, and renewed about a minute before it ends, or when the store refuses it. All
requests that wait for a session share one opening, and the cancellation of one
does not affect the others.
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
    """A signer that opens sessions through its client, with the ordinary keys, and signs with the sessions' keys.

    No task runs between calls. A client without credentials sends unsigned requests here, too.
    """

    def __init__(self, client: OperationClient) -> None:
        """Take the client that opens the sessions. Its ``signer`` must be set to this object."""
        self._client = client
        self._ordinary = OrdinarySigner(client.credentials, _SERVICE)
        self._by_bucket: dict[str, RefreshingCredentials] = {}

    async def keys_for(self, operation: Operation[Any]) -> Credentials | None:
        """Return the keys of the bucket's session, opened now if necessary; the ordinary keys if none is needed.

        Raises:
            ConfigurationError: the new session has expired already.
            DriverClosedError: `aclose` was called meanwhile.
            StorageError: the store opens no session; `CredentialsError` if it refuses the ordinary keys.
        """
        session = self._session_of(operation)
        return await (self._ordinary.keys_for(operation) if session is None else session.get_credentials())

    def scope_for(self, operation: Operation[Any], region: str) -> Scope:
        """Return the scope, with the name of a session's token if a session signs."""
        if self._session_of(operation) is None:
            return self._ordinary.scope_for(operation, region)
        return Scope(region, _SERVICE, _TOKEN_NAME)

    def refused(self, operation: Operation[Any], keys: Credentials) -> None:
        """Forget the session unless there is a newer one, or invalidate the ordinary keys at their source."""
        session = self._session_of(operation)
        if session is None:
            self._ordinary.refused(operation, keys)
        else:
            session.invalidate(keys)

    async def renewed(self, operation: Operation[Any], keys: Credentials) -> Credentials:
        """Open another session, or ask the source for other ordinary keys; `keys` themselves if that fails."""
        session = self._session_of(operation)
        return await (self._ordinary.renewed(operation, keys) if session is None else session.renew(keys))

    async def aclose(self) -> None:
        """Cancel the sessions that are being opened; their waiters get an error. Harmless at any time."""
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
        assert keys.expires_at is not None  # `CreateSession` refuses a session without an end
        now = self._client.clock.now()
        # The session ends by the store's clock, and is renewed by ours.
        ahead = self._client.clock_skew.to_server_time(now) - now
        return replace(keys, expires_at=keys.expires_at - ahead)
