"""Deliberate faults in uploads of bytes by one PutObject.

Importing this module adds its faults to `MUTANTS`.
"""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from aios3._driver import uploads
from aios3._protocol.operations import Committed
from aios3._protocol.wire.messages import Body
from aios3._upload import bytes_upload as whole_upload
from aios3._upload.bytes_upload import BytesUpload
from aios3.errors import CompletionUnknownError
from aios3.models import UploadReceipt

from .mutants import mutant
from .mutants_of_parts import MUTANTS

__all__ = ["MUTANTS"]


@mutant("bytes lose their last slice")
def _(patch: pytest.MonkeyPatch) -> None:
    original = whole_upload._slices

    def slices(data: bytes) -> Body:
        return tuple(original(data))[:-1]

    patch.setattr(whole_upload, "_slices", slices)


@mutant("bytes are put whole however many were declared or allowed")
def _(patch: pytest.MonkeyPatch) -> None:
    original = uploads.is_whole
    patch.setattr(
        uploads, "is_whole", lambda source, job: original(source, dataclasses.replace(job, size=None, max_size=None))
    )


@mutant("bytes that the end of the driver has cut off count as stored")
def _(patch: pytest.MonkeyPatch) -> None:
    original = BytesUpload.run

    async def run(self: BytesUpload) -> UploadReceipt:
        try:
            return await original(self)
        except CompletionUnknownError:
            if not self._is_cut:
                raise
            return self._requests.receipt(Committed('"e"', None, None, None), len(self._data))

    patch.setattr(BytesUpload, "run", run)


@mutant("a cancellation of bytes is taken for the end of the driver")
def _(patch: pytest.MonkeyPatch) -> None:
    original = BytesUpload.run

    async def run(self: BytesUpload) -> UploadReceipt:
        try:
            return await original(self)
        except asyncio.CancelledError:
            raise self._requests.given_up(None) from None

    patch.setattr(BytesUpload, "run", run)
