"""What a block writes to, in any order of writes, sources, failures, cancellations and ways to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aios3._upload.lifecycle import run_upload
from aios3._upload.writer import UploadWriter
from aios3.errors import ConfigurationError, ObjectTooLargeError, ResponseError, StorageError
from tests.robustness.simulation.loop import VirtualLoop
from tests.support.fakes import PART, RecordingSource, make_job, refusal
from tests.support.upload_scene import UploadScene

T = TypeVar("T")
LIMIT = 6 * PART
SIZES = st.sampled_from((0, 1, 700, PART - 1, PART, PART + 1, 2 * PART + 5))


class BrokenSourceError(Exception):
    """What a source raises."""


class LeavingError(Exception):
    """What a block is left by."""


class WriterMachine(RuleBasedStateMachine):
    """The model is the bytes that were accepted, and whether some were lost."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.letter = 0
        self.accepted = b""
        self.is_broken = False
        """Bytes were lost: nothing may be committed any more."""
        self.has_left = False
        self.writes = self.least = 0
        self.run(self.enter())

    @initialize(least=st.integers(0, 8))
    def plan(self, least: int) -> None:
        """Lose bytes, or leave, after so many writes or later."""
        self.least = least

    @property
    def may_leave(self) -> bool:
        return not self.has_left and (self.is_broken or self.writes >= self.least)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def enter(self) -> None:
        self.scene = UploadScene()
        self.leave_with: asyncio.Future[BaseException | None] = self.loop.create_future()
        self.entered: asyncio.Future[UploadWriter] = self.loop.create_future()
        self.block = self.loop.create_task(self.hold())
        self.writer = await self.entered

    async def hold(self) -> None:
        async with run_upload(self.scene.engine, make_job(max_size=LIMIT, concurrency=2)) as upload:
            self.entered.set_result(UploadWriter(upload))
            error = await self.leave_with
            if error is not None:
                raise error

    def data(self, size: int) -> bytes:
        self.writes += 1
        self.letter = self.letter % 26 + 1
        return bytes([64 + self.letter]) * size

    @property
    def room(self) -> int:
        return LIMIT - len(self.accepted)

    # what is done

    @precondition(lambda self: not self.has_left and not self.is_broken)
    @rule(size=SIZES)
    def write(self, size: int) -> None:
        """Accepted whole, or refused for being too much."""
        data = self.data(size)
        if size > self.room:
            with pytest.raises(ObjectTooLargeError):
                self.run(self.writer.write(data))
            self.is_broken = True
        else:
            self.run(self.writer.write(data))
            self.accepted += data

    @precondition(lambda self: not self.has_left and not self.is_broken)
    @rule(sizes=st.lists(SIZES, max_size=3), fails=st.booleans())
    def write_from(self, sizes: list[int], fails: bool) -> None:
        """A source is taken whole and closed; its error comes out unchanged."""
        chunks = [self.data(size) for size in sizes]
        fails = fails and self.may_leave
        error = BrokenSourceError()
        source = RecordingSource(*chunks, *([error] if fails else []))
        is_too_much = sum(sizes) > self.room
        if is_too_much:
            with pytest.raises(ObjectTooLargeError):
                self.run(self.writer.write_from(source))
        elif fails:
            with pytest.raises(BrokenSourceError) as caught:
                self.run(self.writer.write_from(source))
            assert caught.value is error
        else:
            self.run(self.writer.write_from(source))
            self.accepted += b"".join(chunks)
        self.is_broken = fails or is_too_much
        assert source.closed == 1

    @precondition(lambda self: not self.has_left and not self.is_broken)
    @rule(sizes=st.lists(SIZES, min_size=2, max_size=3))
    def write_at_once(self, sizes: list[int]) -> None:
        """Writes of several tasks do not mix, and come in the order of their beginnings."""
        if sum(sizes) > self.room:
            return
        pieces = [self.data(size) for size in sizes]

        async def write_all() -> None:
            await asyncio.gather(*(self.writer.write(piece) for piece in pieces))

        self.run(write_all())
        self.accepted += b"".join(pieces)

    @precondition(lambda self: not self.has_left and not self.is_broken)
    @rule(wrong=st.sampled_from(("text", None, 5)))
    def write_what_is_no_bytes(self, wrong: object) -> None:
        """Refused before anything is taken, so the block may go on."""
        with pytest.raises(TypeError, match="bytes-like"):
            self.run(self.writer.write(wrong))  # type: ignore[arg-type]

    @precondition(lambda self: self.may_leave and not self.is_broken)
    @rule()
    def cancel_a_source(self) -> None:
        """What was cancelled while it was read has lost bytes."""
        source = RecordingSource(b"x", asyncio.Event())

        async def cancel() -> None:
            task = asyncio.create_task(self.writer.write_from(source))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        if self.room:
            self.run(cancel())
            self.is_broken = True
            assert source.closed == 1

    @precondition(lambda self: self.is_broken and not self.has_left)
    @rule()
    def write_after_a_loss(self) -> None:
        """Nothing is taken any more."""
        with pytest.raises((StorageError, BrokenSourceError)):
            self.run(self.writer.write(b"more"))

    @precondition(lambda self: self.has_left)
    @rule()
    def write_after_the_end(self) -> None:
        """Refused, and nothing comes of it."""
        before = dict(self.scene.store.objects)
        with pytest.raises((ConfigurationError, StorageError, BrokenSourceError)):
            self.run(self.writer.write(b"more"))
        assert self.scene.store.objects == before

    # the ways to leave

    def left(self) -> BaseException | None:
        async def end() -> BaseException | None:
            await asyncio.wait({self.block})
            return asyncio.CancelledError() if self.block.cancelled() else self.block.exception()

        error = self.run(end())
        self.has_left = True
        return error

    @precondition(lambda self: self.may_leave)
    @rule()
    def leave(self) -> None:
        """All that was accepted is committed, unless something was lost."""
        self.leave_with.set_result(None)
        error = self.left()
        assert (error is None) == (not self.is_broken)
        assert self.committed == (None if self.is_broken else self.accepted)
        if not self.is_broken:
            assert self.writer.receipt.size == len(self.accepted)

    @precondition(lambda self: self.may_leave)
    @rule()
    def leave_by_an_error(self) -> None:
        """It comes out unchanged, and nothing is committed."""
        error = LeavingError()
        self.leave_with.set_result(error)
        assert self.left() is error
        assert self.committed is None

    @precondition(lambda self: self.may_leave)
    @rule()
    def leave_by_a_cancellation(self) -> None:
        """Nothing is committed."""
        self.block.cancel()
        assert isinstance(self.left(), asyncio.CancelledError)
        assert self.committed is None

    @precondition(lambda self: self.may_leave and not self.is_broken)
    @rule()
    def leave_a_store_that_refuses(self) -> None:
        """Its word comes out, and nothing is committed."""
        for operation in ("PutObject", "CompleteMultipartUpload"):
            self.scene.store.on(operation, refusal(403, "AccessDenied"))
        self.leave_with.set_result(None)
        assert isinstance(self.left(), ResponseError)
        assert self.committed is None

    @property
    def committed(self) -> bytes | None:
        found = self.scene.store.objects.get("key")
        return None if found is None else found[0]

    def teardown(self) -> None:
        """However it went, nothing is left."""

        async def end() -> None:
            if not self.has_left:
                self.block.cancel()
                await asyncio.wait({self.block})
            self.scene.assert_nothing_is_left()
            assert self.scene.store.most_parts_in_flight <= 2

        self.run(end())
        self.loop.close()


WriterMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=15)


class TestWriter(WriterMachine.TestCase):  # type: ignore[misc, name-defined]
    """Runs the machine."""
