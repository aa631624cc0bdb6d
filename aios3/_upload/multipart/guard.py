"""The cancellation guard: no multipart upload outlives a failed call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from types import TracebackType
from typing import Any

from aios3._client.attempts import FailedAttempts
from aios3._client.client import Attempt
from aios3._concurrency.caller_errors import note
from aios3._concurrency.shielding import INTERRUPTS, Finished, finish_despite_cancellation
from aios3._protocol.operations import CreateMultipartUpload
from aios3._protocol.policies.retry import outcome_unknown
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import StorageError, UploadSuspendedError

from .abort import Abort, AbortOutcome
from .orphan_sweep import OrphanSweep

__all__ = ["CancellationGuard"]


class CancellationGuard:
    """Async context manager around everything that happens to one multipart upload.

    An exception that leaves the block, `asyncio.CancelledError` included, first waits for the clean-up. The clean-up
    aborts the upload in a separate task with its own deadline, and proves by ListParts that nothing remained. It waits
    for a Create that is in flight, and aborts its upload. The exception gets a note with the upload id and the
    outcome; a failing abort never replaces it. A cancellation that comes during the clean-up is raised after it. Only
    the very error in `suspended_by` leaves the upload open, if it has parts.
    """

    def __init__(self, engine: Engine, job: UploadJob, log: FailedAttempts) -> None:
        """Prepare; nothing is open.

        Args:
            engine: its client, cleanup timeout, journal and set of known uploads are used.
            job: the upload.
            log: failed attempts of the upload.
        """
        self._client = engine.client
        self._bucket = job.bucket
        self._key = job.key
        self._headers = job.headers.every
        self._deadline = engine.timeouts.cleanup
        self._log = log
        self._known_uploads = engine.known_uploads
        self._record = engine.journal.begin(job)
        self._creating: asyncio.Task[Attempt[str]] | None = None
        self._create_began: datetime | None = None
        self._orphans: OrphanSweep | None = None
        """Search for the upload of a lost Create; ``None`` if no response was lost, or after the search."""
        self._is_completed = False
        self._is_aborting = False
        self._is_kept_if_clean = False
        self._outcome: AbortOutcome | None = None
        self.upload_id: str | None = None
        self.suspended_by: UploadSuspendedError | None = None
        """Error that suspended this upload, or ``None``. Errors of other uploads can pass through the block too."""
        self.is_cleaning_up = False
        """The block has been left, and the clean-up has begun."""
        self.unproved_by: Exception | None = None
        """Error of the proof that nothing remained, although the abort got a response; ``None`` if there is none."""
        self.may_have_parts = False
        """Set when the first part is sent: from then on the abort needs proof."""

    async def create(self, operation: CreateMultipartUpload) -> str:
        """Create the upload and return its id.

        Each attempt runs in a separate task, because a cancellation must not lose the id of an upload that the store
        has made. After a cancellation the attempt continues, and the clean-up waits for it.

        Raises:
            StorageError: the store refused, or no response came.
            OSError: the journal cannot be written.
        """
        await self._record.creating()
        self._create_began = self._client.clock.now()
        request = self._log.begin()
        try:
            self.adopt(await self._client.run(operation, log=request, shield=self._watch_attempt))
        finally:
            if request.has_unknown_outcome:
                self._response_was_lost()
        assert self.upload_id is not None
        await self._record.created(self.upload_id)
        return self.upload_id

    async def _watch_attempt(self, attempt: Coroutine[Any, Any, Attempt[str]]) -> Attempt[str]:
        self._creating = asyncio.create_task(attempt, name=f"aios3: create {self._key!r}")
        await asyncio.wait({self._creating})  # a cancellation ends this wait, but not the attempt
        return self._creating.result()

    def _response_was_lost(self) -> None:
        """Note that the store may have made an upload until now, whose id is unknown."""
        assert self._create_began is not None
        self._orphans = OrphanSweep(
            self._client,
            self._bucket,
            self._key,
            headers=self._headers,
            known_uploads=self._known_uploads,
            began=self._create_began,
            lost=self._client.clock.now(),
            log=self._log,
        )

    def adopt(self, upload_id: str) -> None:
        """Take over an open upload, to end it with the block."""
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
            self._response_was_lost()
            return
        if self._creating.cancelled():  # by a loop that shuts down
            self._response_was_lost()
            return
        if (error := self._creating.exception()) is not None:
            if isinstance(error, INTERRUPTS):  # these can also come after the request was sent
                self._response_was_lost()
            return
        attempt = self._creating.result()
        if attempt.failure is None:
            self.adopt(attempt.unwrap())
        elif outcome_unknown(attempt.failure):
            self._response_was_lost()

    def keep_open(self) -> None:
        """Leave the upload open when the block ends cleanly."""
        self._is_kept_if_clean = True

    @property
    def is_kept(self) -> bool:
        """The upload was left open."""
        return self._outcome is AbortOutcome.KEPT

    def completed(self, *, is_completed: bool = True) -> None:
        """Note that the upload was committed, so nothing is left to abort; or that it was not, after all."""
        self._is_completed = is_completed

    async def abort(self) -> AbortOutcome:
        """Abort the upload, if there is one, repeat that if something remains, and prove that nothing remained.

        The outcome is that of the first abort, or ``FAILED`` if something remained. A failed proof is in
        `unproved_by`.

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

    async def is_open(self, upload_id: str) -> bool | None:
        """Return whether the store still lists the upload; ``None`` if it refuses to list, or does not respond."""
        return await self._abort_of(upload_id).is_open()

    def _abort_of(self, upload_id: str) -> Abort:
        return Abort(self._client, (self._bucket, self._key, upload_id), self._headers, self._log)

    async def _abort_and_prove(self, upload_id: str) -> AbortOutcome:
        abort = self._abort_of(upload_id)
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
        if exc is None and self._orphans is None:
            self._forget()
            return
        is_worth_keeping = self.may_have_parts and not self._is_completed and not self._is_aborting
        is_suspended = exc is not None and exc is self.suspended_by
        is_left = exc is None and self._is_kept_if_clean
        if is_left or (is_suspended and self.upload_id is not None and is_worth_keeping):
            self._outcome = AbortOutcome.KEPT
        self.is_cleaning_up = True
        finished = await self._finish_clean_up()
        cancellation = finished.cancellation
        if is_left and cancellation is not None:  # the caller will not learn the id
            self._outcome = None
            finished = await self._finish_clean_up()
        await self._drop_create()
        self._forget()
        if isinstance(exc, INTERRUPTS) and isinstance(cancellation, asyncio.CancelledError):
            cancellation = None  # the first cancellation is raised
        for error in (exc, cancellation):
            if error is not None:
                self._annotate(error, finished.error)
        if cancellation is not None:
            raise cancellation

    async def _finish_clean_up(self) -> Finished[None]:
        name = f"aios3: clean up after {self._key!r}"
        return await finish_despite_cancellation(self._clean_up, deadline=self._deadline, name=name)

    async def _clean_up(self) -> None:
        trouble: Exception | None = None
        try:
            await self.abort()
        except Exception as error:  # noqa: BLE001 - credentials may fail with anything
            trouble = error
        if self._orphans is not None:
            await self._orphans.run()
            self._orphans = None
        if trouble is not None:
            raise trouble

    async def _drop_create(self) -> None:
        """Cancel a Create that got no response within the deadline."""
        if self._creating is not None and not self._creating.done():
            self._creating.cancel()
            await asyncio.wait({self._creating})

    def _forget(self) -> None:
        self._known_uploads.discard(self.upload_id or "")
        if self.may_be_open:
            self._record.left_open()
        else:
            self._record.ended()

    @property
    def may_be_open(self) -> bool:
        """The store may still hold parts or an orphan of this upload, which are billed."""
        is_ended = self._outcome in (AbortOutcome.ABORTED, AbortOutcome.GONE, AbortOutcome.VANISHED)
        is_over = self._is_completed or (is_ended and self.unproved_by is None)
        return self._orphans is not None or (self.upload_id is not None and not is_over)

    def _annotate(self, exc: BaseException, trouble: Exception | None) -> None:
        """Add notes to the exception: the outcome of the upload, and an orphan that may remain."""
        place = f"{self._bucket}/{self._key}"
        reason = "" if trouble is None else f" ({trouble})"
        if self.upload_id is not None:
            outcome, why = self._conclude(trouble), reason if self._outcome is None else ""
            if self.unproved_by is not None:
                why = f" ({self.unproved_by})"
            note(exc, f"aios3: multipart upload {self.upload_id} of {place}: {outcome.value}{why}")
        if self._orphans is not None:
            note(
                exc,
                f"aios3: a response to CreateMultipartUpload of {place} was lost, and an upload that it may have made "
                f"could not be found{reason}; look at the open uploads of this key",
            )

    def _conclude(self, trouble: Exception | None) -> AbortOutcome:
        """Return the outcome of the upload; `trouble` is the error of the clean-up, or ``None``."""
        if self._is_completed:
            return AbortOutcome.COMMITTED
        if self.unproved_by is not None:
            return AbortOutcome.UNKNOWN
        is_open_question = isinstance(trouble, TimeoutError) or (
            isinstance(trouble, StorageError) and outcome_unknown(trouble)
        )
        return self._outcome or (AbortOutcome.UNKNOWN if is_open_question else AbortOutcome.FAILED)
