"""Deliberate faults in how an upload ends, which the simulation must find."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from aios3._client import attempts, client
from aios3._concurrency.shielding import Finished, finish_despite_cancellation
from aios3._protocol.operations.multipart import CompleteMultipartUpload
from aios3._protocol.policies import retry
from aios3._transport.exceptions import MappedExceptions
from aios3._upload.multipart import guard
from aios3._upload.multipart.abort import Abort, AbortOutcome
from aios3._upload.multipart.complete import Completion
from aios3._upload.multipart.guard import CancellationGuard
from aios3._upload.multipart.orphan_sweep import OrphanSweep
from aios3._upload.shared.engine import Engine
from aios3.errors import StorageError

__all__ = ["MUTANTS", "mutant", "plant"]

Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, Mutant] = {}


def mutant(name: str) -> Callable[[Mutant], Mutant]:
    """Register a function that plants a fault."""

    def register(plant: Mutant) -> Mutant:
        MUTANTS[name] = plant
        return plant

    return register


def plant(name: str, *patches: tuple[object, str, object]) -> None:
    """Register a fault that only replaces attributes."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        for owner, attribute, value in patches:
            patch.setattr(owner, attribute, value)

    MUTANTS[name] = apply


async def _no(*_: object) -> bool:
    return False


plant("the abort is not proved by ListParts", (Abort, "_is_still_there", _no))
plant("the answer to Create is not waited for", (CancellationGuard, "_await_create", _no))
plant("closing the driver does not stop its uploads", (Engine, "stop_uploads", _no))
plant("an upload stays registered after its end", (Engine, "upload_ended", lambda *_: None))
plant(
    "a repeated Complete that is refused counts as a failure",
    (attempts, "outcome_unknown", lambda failure: False),
)
plant(
    "a success without its document is clear unless its status is 200",
    (retry, "_is_in_success", lambda failure: failure.status == 200),
)
plant("the caller's policy bounds the clean-up", (client, "_CLEANUP_ATTEMPTS", 1))


def _skip_abort(patch: pytest.MonkeyPatch, is_skipped: Callable[[BaseException | None], bool]) -> None:
    original = CancellationGuard.__aexit__

    async def leave(
        self: CancellationGuard,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_skipped(exc):
            self._known_uploads.discard(self.upload_id or "")
            return
        await original(self, exc_type, exc, traceback)

    patch.setattr(CancellationGuard, "__aexit__", leave)


@mutant("the abort is given up after a moment")
def _(patch: pytest.MonkeyPatch) -> None:
    original = finish_despite_cancellation
    patch.setattr(
        guard, "finish_despite_cancellation", lambda work, *, deadline, name: original(work, deadline=0.05, name=name)
    )


@mutant("a second cancellation interrupts the abort")
def _(patch: pytest.MonkeyPatch) -> None:
    async def interruptible(work: Callable[[], Any], *, deadline: float, name: str) -> Any:
        await work()
        return Finished(None, None, None)

    patch.setattr(guard, "finish_despite_cancellation", interruptible)


@mutant("a lost Create is not looked for")
def _(patch: pytest.MonkeyPatch) -> None:
    async def forget(self: OrphanSweep) -> list[str]:
        return []

    patch.setattr(OrphanSweep, "run", forget)


@mutant("a lost answer to Complete is not settled")
def _(patch: pytest.MonkeyPatch) -> None:
    async def give_up(self: Completion, refusal: Any) -> Any:
        raise refusal

    patch.setattr(Completion, "_settle", give_up)


@mutant("an error inside a 200 is taken for success")
def _(patch: pytest.MonkeyPatch) -> None:
    original = CompleteMultipartUpload.read

    def read(self: CompleteMultipartUpload, response: Any) -> Any:
        if response.status == 200 and b"<Error>" in response.body:
            response = dataclasses.replace(
                response, body=b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
            )
        return original(self, response)

    patch.setattr(CompleteMultipartUpload, "read", read)


@mutant("a cancellation is swallowed by the clean-up")
def _(patch: pytest.MonkeyPatch) -> None:
    original = CancellationGuard.__aexit__

    async def leave(self: CancellationGuard, exc_type: Any, exc: BaseException | None, traceback: Any) -> bool:
        await original(self, exc_type, exc, traceback)
        return isinstance(exc, asyncio.CancelledError)

    patch.setattr(CancellationGuard, "__aexit__", leave)


@mutant("an upload that was gone when it was aborted counts as not committed")
def _(patch: pytest.MonkeyPatch) -> None:
    original = Completion._end

    async def end(self: Completion, refusal: Exception) -> AbortOutcome:
        await original(self, refusal)
        raise refusal

    patch.setattr(Completion, "_end", end)
    patch.setattr(Completion, "_is_surely_ours", lambda self, found: False)


@mutant("a cancelled upload is not aborted")
def _(patch: pytest.MonkeyPatch) -> None:
    _skip_abort(patch, lambda error: isinstance(error, asyncio.CancelledError))


@mutant("a failed upload is not aborted")
def _(patch: pytest.MonkeyPatch) -> None:
    _skip_abort(patch, lambda error: isinstance(error, Exception))


@mutant("a defect of the HTTP client is raised as it is")
def _(patch: pytest.MonkeyPatch) -> None:
    original = MappedExceptions._translate

    def translate(self: MappedExceptions, error: BaseException) -> Exception | None:
        return None if isinstance(error, AttributeError) else original(self, error)

    patch.setattr(MappedExceptions, "_translate", translate)


@mutant("an abort whose proof is not answered counts as proved")
def _(patch: pytest.MonkeyPatch) -> None:
    original = Abort.prove

    async def prove(self: Abort) -> bool:
        try:
            return await original(self)
        except StorageError:
            return True

    patch.setattr(Abort, "prove", prove)
    patch.setattr(client, "_CLEANUP_ATTEMPTS", 1)
