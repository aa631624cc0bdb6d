"""The cancellation guard: no multipart upload outlives a failed call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from aios3._client.client import Attempt
from aios3._client.request_log import RequestLog
from aios3._concurrency.caller_errors import note
from aios3._concurrency.shielding import INTERRUPTS, finish_despite_cancellation
from aios3._protocol.operations import CreateMultipartUpload
from aios3._protocol.policies.retry import outcome_unknown
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.checkpoints import MultipartUpload
from aios3.errors import StorageError, UploadSuspendedError

from .abort import Abort, AbortOutcome
from .orphan_sweep import OrphanSweep

__all__ = ["CancellationGuard"]


class CancellationGuard:
    """An async context manager around everything that happens to one multipart upload.

    Leaving it by an exception, `asyncio.CancelledError` included, aborts the
    upload before the exception goes on, in a task of its own with its own
    deadline, and proves by ListParts that nothing remained. A Create that is in
    flight is waited for and its upload aborted. The exception gets a note with
    the upload id and the outcome; a failing abort never replaces it. A
    cancellation that comes during the clean-up is raised after it. Only the
    very error in `suspended_by` leaves the upload open, if it has parts.
    """

    def __init__(self, engine: Engine, job: UploadJob, log: RequestLog) -> None:
        """Prepare; nothing is open.

        Args:
            engine: whose client, cleanup timeout, journal and set of known uploads are used.
            job: the upload.
            log: of the upload.
        """
        self._client = engine.client
        self._bucket = job.bucket
        self._key = job.key
        self._part_size = job.plan.first_size
        self._headers = job.headers.every
        self._deadline = engine.timeouts.cleanup
        self._log = log
        self._known_uploads = engine.known_uploads
        self._record = engine.journal.begin(job)
        self._orphans = OrphanSweep(
            engine.client, job.bucket, job.key, headers=self._headers, known_uploads=engine.known_uploads
        )
        self._creating: asyncio.Task[Attempt[str]] | None = None
        self._is_completed = False
        self._is_aborting = False
        self._outcome: AbortOutcome | None = None
        self.upload_id: str | None = None
        self.suspended_by: UploadSuspendedError | None = None
        """Why this upload was stopped, if it was. The error of another upload that passes through the block is none."""
        self.is_cleaning_up = False
        """The block has been left, and what is open is being ended."""
        self.unproved_by: Exception | None = None
        """Why it is not known that nothing remained, although the abort was answered."""
        self.may_have_parts = False
        """Set when the first part is sent: from then on the abort needs proof."""

    async def create(self, operation: CreateMultipartUpload) -> str:
        """Create the upload and return its id.

        Each attempt runs in a task of its own, so that a cancellation cannot lose the id of an upload that the store
        has made.

        Raises:
            StorageError: the store refused, or does not answer.
            OSError: the journal cannot be written.
        """
        await self._record.creating()
        self._orphans.begin()
        request = self._log.begin()
        try:
            self.adopt(await self._client.run(operation, log=request, shield=self._watch_attempt))
        finally:
            if request.has_unknown_outcome:
                self._orphans.answer_was_lost()
        assert self.upload_id is not None
        await self._record.created(self.upload_id)
        return self.upload_id

    async def _watch_attempt(self, attempt: Coroutine[Any, Any, Attempt[str]]) -> Attempt[str]:
        self._creating = asyncio.create_task(attempt, name=f"aios3: create {self._key!r}")
        await asyncio.wait({self._creating})  # which a cancellation ends without cancelling what is waited for
        return self._creating.result()

    def adopt(self, upload_id: str) -> None:
        """Take an open upload into care."""
        self.upload_id = upload_id
        self._known_uploads.add(upload_id)

    async def _await_create(self) -> None:
        """Wait for a Create whose caller was cancelled, and adopt the upload that it made.

        The wait gets half of the deadline; the other half is for the search for orphans.
        """
        if self._creating is None or self.upload_id is not None:
            return
        await asyncio.wait({self._creating}, timeout=self._deadline / 2)
        if not self._creating.done():
            await self._drop_create()
            self._orphans.answer_was_lost()
            return
        if self._creating.cancelled():  # by a loop that shuts down
            self._orphans.answer_was_lost()
            return
        if (error := self._creating.exception()) is not None:
            if isinstance(error, INTERRUPTS):  # which strike after the request has left, too
                self._orphans.answer_was_lost()
            return
        attempt = self._creating.result()
        if attempt.failure is None:
            self.adopt(attempt.unwrap())
        elif outcome_unknown(attempt.failure):
            self._orphans.answer_was_lost()

    @property
    def is_kept(self) -> bool:
        """The upload was left open."""
        return self._outcome is AbortOutcome.KEPT

    def completed(self) -> None:
        """Note that the upload was committed: there is nothing left to abort."""
        self._is_completed = True

    async def abort(self) -> AbortOutcome:
        """Abort the upload, if there is one, as often as it takes, and prove that nothing remained.

        What is returned is what the store said to the abort; `unproved_by` says whether the proof could not be had.

        Raises:
            StorageError: the store refused, or could not be reached.
        """
        await self._await_create()
        if self.upload_id is None or self._is_completed:
            return AbortOutcome.NOTHING
        if self._outcome is None:
            self._is_aborting = True
            self._outcome = await self._abort_and_prove(self.upload_id)
        return self._outcome

    async def _abort_and_prove(self, upload_id: str) -> AbortOutcome:
        upload = MultipartUpload(self._bucket, self._key, upload_id, self._part_size)
        abort = Abort(self._client, upload, self._headers, self._log)
        outcome = await abort.send()
        if not self.may_have_parts:
            return outcome
        try:
            return outcome if await abort.prove() else AbortOutcome.FAILED
        except Exception as error:  # noqa: BLE001 - credentials may fail with anything
            self.unproved_by = error
            return outcome

    async def __aenter__(self) -> CancellationGuard:
        if self.upload_id is not None:
            try:
                await self._record.created(self.upload_id)
            except BaseException:
                self._give_up_care(self.upload_id)
                raise
        return self

    def _give_up_care(self, upload_id: str) -> None:
        """Leave a resumed upload open, because the journal could not record it."""
        self._known_uploads.discard(upload_id)
        self._record.left_open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is None and not self._orphans.is_needed:
            self._forget()
            return
        is_worth_keeping = self.may_have_parts and not self._is_completed and not self._is_aborting
        is_suspended = exc is not None and exc is self.suspended_by
        if is_suspended and self.upload_id is not None and is_worth_keeping:
            self._outcome = AbortOutcome.KEPT
        self.is_cleaning_up = True
        finished = await finish_despite_cancellation(
            self._clean_up, deadline=self._deadline, name=f"aios3: clean up after {self._key!r}"
        )
        await self._drop_create()
        self._forget()
        cancellation = finished.cancellation
        if isinstance(exc, INTERRUPTS) and isinstance(cancellation, asyncio.CancelledError):
            cancellation = None  # the first one goes on
        for error in (exc, cancellation):
            if error is not None:
                self._annotate(error, finished.error)
        if cancellation is not None:
            raise cancellation

    async def _clean_up(self) -> None:
        trouble: Exception | None = None
        try:
            await self.abort()
        except Exception as error:  # noqa: BLE001 - credentials may fail with anything
            trouble = error
        if self._orphans.is_needed:
            await self._orphans.run()
        if trouble is not None:
            raise trouble

    async def _drop_create(self) -> None:
        """Give up a Create that was not answered within the deadline."""
        if self._creating is not None and not self._creating.done():
            self._creating.cancel()
            await asyncio.wait({self._creating})

    def _forget(self) -> None:
        self._known_uploads.discard(self.upload_id or "")
        if self._may_be_open:
            self._record.left_open()
        else:
            self._record.ended()

    @property
    def _may_be_open(self) -> bool:
        """The store may still hold something of ours that is billed."""
        is_ended = self._outcome in (AbortOutcome.ABORTED, AbortOutcome.GONE, AbortOutcome.VANISHED)
        is_over = self._is_completed or (is_ended and self.unproved_by is None)
        return self._orphans.is_needed or (self.upload_id is not None and not is_over)

    def _annotate(self, exc: BaseException, trouble: Exception | None) -> None:
        """Say on the exception what became of everything that the store may hold."""
        place = f"{self._bucket}/{self._key}"
        reason = "" if trouble is None else f" ({trouble})"
        if self.upload_id is not None:
            outcome, why = self._conclude(trouble), reason if self._outcome is None else ""
            if self.unproved_by is not None:
                why = f" ({self.unproved_by})"
            note(exc, f"aios3: multipart upload {self.upload_id} of {place}: {outcome.value}{why}")
        if self._orphans.is_needed:
            note(
                exc,
                f"aios3: an answer to CreateMultipartUpload of {place} was lost, and what it may have made could not "
                f"be found{reason}; look at the open uploads of this key",
            )

    def _conclude(self, trouble: Exception | None) -> AbortOutcome:
        """Return what became of the upload, in whose abort there was `trouble`."""
        if self._is_completed:
            return AbortOutcome.COMMITTED
        if self.unproved_by is not None:
            return AbortOutcome.UNKNOWN
        is_open_question = isinstance(trouble, TimeoutError) or (
            isinstance(trouble, StorageError) and outcome_unknown(trouble)
        )
        return self._outcome or (AbortOutcome.UNKNOWN if is_open_question else AbortOutcome.FAILED)
