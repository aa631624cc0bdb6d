"""Abort of one multipart upload, and the proof that nothing remained of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._protocol.operations import AbortMultipartUpload, ListParts
from aios3._protocol.policies.retry import is_transient
from aios3.errors import ResponseError, StorageError

__all__ = ["Abort", "AbortOutcome"]

_LOG: Final = logging.getLogger("aios3")

_ROUNDS: Final = 6
_ROUND_DELAY: Final = 0.1
"""Seconds before the second round; doubled for each further round. A part that was fully sent when its connection was
cut may be stored a moment after the abort."""


class AbortOutcome(Enum):
    """Outcome for an upload that must not stay open. The value completes a note on the caller's exception."""

    NOTHING = "there was nothing to abort"
    COMMITTED = "it was committed"
    ABORTED = "it was aborted"
    GONE = "it was gone already"
    VANISHED = "it no longer exists: an earlier request ended it, or an abort whose response was lost"
    KEPT = "it was left open, to be resumed later"
    FAILED = "it could not be aborted and may be billed until it is"
    UNKNOWN = "it could not be aborted for certain, since no response came, and may be billed until it is"


@dataclass(frozen=True, slots=True)
class Abort:
    """Aborts one upload. Every abort of the library is sent here, and leaves a line in the log."""

    client: OperationClient
    place: tuple[str, str, str]
    """Bucket, key and upload id."""
    headers: Mapping[str, str]
    """Headers of every request about this upload."""
    log: FailedAttempts
    """Log of the upload, which receives failed attempts of the aborts."""

    async def send(self) -> AbortOutcome:
        """Send the abort, and return its outcome by the response of the store.

        Raises:
            StorageError: the store refused, or could not be reached.
        """
        bucket, key, upload_id = self.place
        try:
            outcome = await self._send()
        except StorageError as error:
            _LOG.warning("multipart upload %r of %s/%r could not be aborted: %s", upload_id, bucket, key, error)
            raise
        _LOG.info("multipart upload %r of %s/%r: %s", upload_id, bucket, key, outcome.value)
        return outcome

    async def _send(self) -> AbortOutcome:
        operation = AbortMultipartUpload(*self.place, self.headers)
        request = self.log.begin()
        try:
            await self.client.run(operation, log=request, is_cleanup=True)
        except ResponseError as error:
            if error.status != 404:
                raise
            # The 404 itself is a clear response, so only an attempt before it can have aborted.
            is_doubtful = request.has_unknown_outcome
            return AbortOutcome.VANISHED if is_doubtful else AbortOutcome.GONE
        return AbortOutcome.ABORTED

    async def prove(self) -> bool:
        """Return whether nothing remained; repeat the abort while the store lists the upload, in 6 rounds at most.

        Raises:
            StorageError: no response shows whether the upload is open.
        """
        was_there = False
        for round_number in range(_ROUNDS):
            is_there = await self._is_still_there()
            if is_there is False or (is_there is None and not was_there):  # no evidence against the abort's response
                return True
            was_there = True
            await self.client.clock.sleep(_ROUND_DELAY * 2**round_number)
            await self.send()
        return False

    async def is_open(self) -> bool | None:
        """Return whether the store still lists the upload; ``None`` if it refuses to list, or does not respond."""
        try:
            return await self._is_still_there()
        except Exception:  # noqa: BLE001 - credentials may fail with anything
            return None

    async def _is_still_there(self) -> bool | None:
        """Return whether the store still lists the upload; ``None`` if it refuses to list.

        Raises:
            StorageError: no response came, or a transient error.
        """
        operation = ListParts(*self.place, headers=self.headers)
        try:
            await self.client.run(operation, log=self.log.aside(), is_cleanup=True)
        except ResponseError as error:
            if error.status == 404:
                return False
            if is_transient(error):
                raise
            return None
        return True
