"""Lease of one upload: at most one request at a time may change it, and a newer request ends an older one.

Where the store has conditional writes, the lease is part of the description. A request takes it by a conditional write,
and renews it every few seconds. A newer request writes that it waits. The holder then loses the condition of its next
renewal, ends its source, keeps what has arrived, and gives the lease back. A holder that cannot renew stops by itself
before its lease runs out. So a waiting request takes over after `LEASE` seconds at the latest.

Where the store has no conditional writes, requests of one process wait for each other. Between processes only the part
grid protects the upload: two senders of the same bytes write the same parts.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from aios3._concurrency.shielding import finish_despite_cancellation
from aios3.errors import StorageError

from .description import Description, Progress
from .messages import RefusedError
from .upload_store import OvertakenError, Stored, UploadStore

__all__ = ["LEASE", "Lease", "Leases", "locked"]

LEASE: Final = 12.0
"""Seconds by the store's clock after which a lease that was not renewed is free."""
_OWN_LIMIT: Final = 9.0
"""Seconds without a renewal after which a holder stops. The store's clock shows whole seconds, so it is less."""
_RENEWAL: Final = 3.0
"""Seconds between renewals."""
_POLL: Final = 0.5
"""Seconds between two looks at a lease that another request holds."""
_GIVING_BACK: Final = 5.0
"""Seconds for giving a lease back although the request is cancelled."""


class Lease:
    """Right of one request to change an upload, until the block of `Leases.hold` ends."""

    def __init__(self, store: UploadStore, stored: Stored) -> None:
        """Take the description that names this request as the holder."""
        self._store = store
        self._stored = stored
        self._is_writing = asyncio.Lock()
        self._is_held = True
        self.stop = asyncio.Event()
        """Set when a newer request waits: end the source, and keep what has arrived."""
        self.offset: int | None = None
        """Offset in bytes at which this request leaves the upload, for the next; ``None`` if it is unknown."""

    @property
    def name(self) -> str:
        """Name of the upload in keys."""
        return self._stored.name

    @property
    def description(self) -> Description:
        """Description as the store holds it."""
        return self._stored.description

    async def change(self, description: Description) -> None:
        """Write a description, and keep the lease.

        Raises:
            OvertakenError: another request has taken over.
        """
        async with self._is_writing:
            await self._change(description)

    async def _change(self, description: Description) -> None:
        while True:
            try:
                self._stored = await self._store.change(self._stored, description)
            except OvertakenError:
                found = await self._store.read(self.name)
                if found is None or found.description.holder != description.holder:
                    self._is_held = False
                    raise
                # Only a newer request writes besides the holder, and it writes only that it waits.
                self.stop.set()
                self._stored = found
                description = replace(description, wanted=found.description.wanted)
            else:
                return

    async def finish(self, description: Description) -> None:
        """Write the last description, which gives the lease back."""
        async with self._is_writing:
            await self._change_once(replace(description, holder=None, wanted=None))

    async def _change_once(self, description: Description) -> None:
        """Write a description without a holder, also over the note of a request that waits."""
        holder = self.description.holder
        try:
            self._stored = await self._store.change(self._stored, description)
        except OvertakenError:
            found = await self._store.read(self.name)
            if found is None or found.description.holder != holder:
                raise
            self._stored = await self._store.change(found, description)
        finally:
            self._is_held = False

    def abandon(self) -> None:
        """Give nothing back: the upload is deleted, or its state shows that this request has ended."""
        self._is_held = False

    async def give_back(self) -> None:
        """Let the next request begin at once. A failure is harmless: the lease runs out."""
        if self._is_held:
            with suppress(OvertakenError, StorageError):
                await self.finish(replace(self.description, expected=self.offset))

    async def renew(self, limit: asyncio.Timeout) -> None:
        """Renew the lease until a newer request waits. Each success moves the end of `limit`."""
        loop = asyncio.get_running_loop()
        while not self.stop.is_set():
            await self._store.driver._clock.sleep(_RENEWAL)
            sent_at = loop.time()
            try:
                async with self._is_writing:
                    if not self._is_held:
                        return
                    renewed = replace(self.description, turn=self.description.turn + 1)
                    self._stored = await self._store.change(self._stored, renewed)
            except OvertakenError:
                self.stop.set()
            except StorageError:
                continue  # the limit ends the request if the store stays away
            else:
                limit.reschedule(sent_at + _OWN_LIMIT)


class Leases:
    """Leases of all uploads of one application."""

    def __init__(self, store: UploadStore) -> None:
        """Take the store of the uploads."""
        self._store = store
        self._local: dict[str, Lease] = {}
        """Leases that requests of this process hold, where the store has no conditions."""
        self._given_back = asyncio.Condition()

    def is_free(self, stored: Stored, progress: Progress | None) -> bool:
        """Return whether no holder can change the upload any more. `progress` is ``None`` if it is unknown.

        A holder that has reached its expected end writes nothing more, so it need not give the lease back.
        """
        description = stored.description
        if not self._store.has_conditions:
            return stored.name not in self._local
        is_done = progress is not None and progress.offset == description.expected
        return description.holder is None or is_done

    async def wait(self, stored: Stored) -> Stored:
        """End the holder, and return the description when the lease is free.

        Raises:
            RefusedError: the holder does not end, or another request was faster (423).
            OvertakenError: the upload was deleted.
        """
        if not self._store.has_conditions:
            return await self._wait_here(stored)
        holder, loop = stored.description.holder, asyncio.get_running_loop()
        end = loop.time() + LEASE + _RENEWAL
        while loop.time() < end:
            if await self._is_over(stored):
                return replace(stored, description=replace(stored.description, holder=None, expected=None))
            if stored.description.wanted is None:
                await self._ask(stored)
            await self._store.driver._clock.sleep(_POLL)
            stored = await self._found(stored.name)
            if stored.description.holder is None:
                return stored
            if stored.description.holder != holder:
                break
        raise locked()

    async def _is_over(self, stored: Stored) -> bool:
        if stored.modified is None:
            return False
        return await self._store.now() - stored.modified > timedelta(seconds=LEASE)

    async def _ask(self, stored: Stored) -> None:
        try:
            await self._store.change(stored, replace(stored.description, wanted=secrets.token_hex(8)))
        except OvertakenError:
            return  # a renewal, or another request that waits: the next look shows it

    async def _found(self, name: str) -> Stored:
        if (found := await self._store.read(name)) is None:
            raise OvertakenError
        return found

    async def _wait_here(self, stored: Stored) -> Stored:
        self._local[stored.name].stop.set()
        try:
            async with asyncio.timeout(LEASE), self._given_back:
                await self._given_back.wait_for(lambda: stored.name not in self._local)
        except TimeoutError:
            raise locked() from None
        return await self._found(stored.name)

    @asynccontextmanager
    async def hold(self, stored: Stored, description: Description) -> AsyncGenerator[Lease]:
        """Take the lease, which is free, with one write of `description`, and hold it during the block.

        At the end of the block the lease is given back, also after an error or a cancellation.

        Raises:
            RefusedError: another request was faster (423).
            TimeoutError: the lease could not be renewed; the block was cancelled.
        """
        async with self._holding(stored, description) as lease:
            renewing = None
            limit = asyncio.timeout(_OWN_LIMIT if self._store.has_conditions else None)
            try:
                async with limit:
                    if self._store.has_conditions:
                        renewing = asyncio.create_task(lease.renew(limit), name="aios3: renew a lease")
                    yield lease
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise TimeoutError(
                    f"no renewal of the upload's lease succeeded for {_OWN_LIMIT:.0f} s: the store is slow, or the "
                    "process has more to do than its processor can"
                ) from error
            finally:
                if renewing is not None:
                    renewing.cancel()
                    await asyncio.wait({renewing})
                finished = await finish_despite_cancellation(
                    lease.give_back, deadline=_GIVING_BACK, name="aios3: give a lease back"
                )
                if finished.cancellation is not None:
                    raise finished.cancellation

    @asynccontextmanager
    async def _holding(self, stored: Stored, description: Description) -> AsyncGenerator[Lease]:
        if self._store.has_conditions:
            try:
                held = await self._store.change(stored, description.held_by(secrets.token_hex(8)))
            except OvertakenError:
                raise locked() from None
            yield Lease(self._store, held)
            return
        if stored.name in self._local:
            raise locked()
        lease = self._local[stored.name] = Lease(self._store, stored)
        lease.abandon()  # the description names no holder
        try:
            if description != stored.description:
                await lease.change(description)
            yield lease
        finally:
            del self._local[stored.name]
            async with self._given_back:
                self._given_back.notify_all()


def locked() -> RefusedError:
    """Return the refusal of a request that another request keeps from changing the upload."""
    return RefusedError(423, "another request changes this upload", headers={"Retry-After": "1"})
