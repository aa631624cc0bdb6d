"""Temporary credentials that are renewed in time, by one fetch for all callers that wait.

From 15 minutes before the end, one caller fetches fresh credentials while the
others use the old ones. From 10 minutes before the end, all callers wait. The AWS
SDKs use these numbers, which suit credentials that live an hour. For shorter lives
both windows shrink in proportion, or every request would be in one of them.

A fetch runs in its own task while at least one caller waits for it. So the
cancellation of one caller does not affect the others, and the cancellation of the
last one leaves no task behind.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from aios3._concurrency.clock import Clock
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials
from aios3.errors import ConfigurationError, DriverClosedError, StorageError

__all__ = ["RefreshingCredentials", "renewed_by"]

_logger: Final = logging.getLogger("aios3")

_EARLY: Final = timedelta(minutes=15)
_LATE: Final = timedelta(minutes=10)
_END_SECONDS: Final = 5.0
"""Seconds that a cancelled fetch may take to end."""


class RefreshingCredentials:
    """Keeps the credentials of ``fetch`` until shortly before they expire.

    No task runs between calls. An object belongs to one event loop at a time.

    Args:
        fetch: gets credentials; called again when they are about to expire or were refused. Credentials without
            ``expires_at`` are kept until they are refused.
        clock: decides when credentials expire.
        name: name of the credentials in errors.
        first: credentials that are here already; ``None`` fetches the first ones, too.
    """

    rotation_codes: ClassVar[frozenset[str]] = frozenset()
    """Codes of a refusal after which a fetch is worth a try, because another program may have changed the source."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Credentials]],
        *,
        clock: Clock = Clock(),  # noqa: B008 - frozen
        name: str = "credentials",
        first: Credentials | None = None,
    ) -> None:
        self._fetch_credentials = fetch
        self._clock = clock
        self._name = name
        self._held = None if first is None else _Held(first, clock.now())
        self._refresh: _Refresh | None = None
        self._paused_until: datetime | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._name}>"

    @property
    def name(self) -> str:
        """Name of the credentials, for people: the place that they come from. It holds no secret."""
        return self._name

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_refresh": None}  # a running fetch belongs to this process and its loop

    async def get_credentials(self) -> Credentials:
        """Return credentials that have not expired, fetched now if necessary.

        If a fetch fails while the old credentials have not expired, the caller gets the old ones, and no error.

        Raises:
            ConfigurationError: the fetched credentials had expired already.
            DriverClosedError: `aclose` was called meanwhile, by the driver that made this source or by its owner.
            Exception: the exception of ``fetch``.
        """
        held = self._held
        if held is not None and self._is_good_enough(held):
            return held.credentials
        try:
            return await self._join_refresh()
        except Exception:
            now = self._clock.now()
            if held is None or held is not self._held or held.is_expired(now):
                raise
            self._paused_until = now + held.pause
            return held.credentials

    def invalidate(self, credentials: Credentials) -> None:
        """Forget `credentials`, which the store refused, so the next call fetches. Does nothing if newer ones are here.

        If the source has no newer credentials, it may return the same again; then the store's refusal is final.
        """
        if self._held is not None and self._held.credentials == credentials:
            self._held = None

    async def renew(self, doubted: Credentials) -> Credentials:
        """Fetch now, because `doubted` may have expired, and return the result. If newer ones are here, return those.

        If the fetch fails, return `doubted`, and keep it; a debug line says why. So a doubt never loses valid keys.
        """
        if self._held is not None and self._held.credentials != doubted:
            return await self.get_credentials()
        try:
            return await self._join_refresh()
        except (StorageError, OSError) as error:
            _logger.debug("%s: a fetch of others failed: %s", self._name, type(error).__name__)
            return doubted

    async def aclose(self) -> None:
        """Cancel a running fetch and wait for its end; its waiters get a `DriverClosedError`. Harmless at any time."""
        refresh, self._refresh = self._refresh, None
        if refresh is not None and refresh.is_joinable:
            await refresh.end()

    def _is_good_enough(self, held: _Held) -> bool:
        now = self._clock.now()
        if held.is_expired(now):
            return False
        if not held.expires_within(held.early, now):
            return True
        if self._paused_until is not None and now < self._paused_until:
            return True
        is_running = self._refresh is not None and self._refresh.is_joinable
        return is_running and not held.expires_within(held.late, now)

    async def _join_refresh(self) -> Credentials:
        refresh = self._refresh
        if refresh is None or not refresh.is_joinable:
            refresh = self._refresh = _Refresh(self._renew(), self._name)
        return await refresh.join()

    async def _renew(self) -> Credentials:
        credentials = await self._fetch_credentials()
        if not isinstance(credentials, Credentials):
            raise TypeError(f"{self._name}: the fetch gave {type(credentials).__name__}, not Credentials")
        held = _Held(credentials, self._clock.now())
        if held.is_expired(held.fetched_at):
            raise ConfigurationError(
                f"{self._name}: the fetched keys expired at {credentials.expires_at}; is this machine's clock right?"
            )
        self._held, self._paused_until = held, None
        return credentials


async def renewed_by(source: CredentialsProvider | None, doubted: Credentials) -> Credentials:
    """Return fresh credentials of `source`, because `doubted` may have expired; `doubted` if it has no others."""
    if isinstance(source, RefreshingCredentials):
        return await source.renew(doubted)
    if isinstance(source, RefreshableCredentials):
        source.invalidate(doubted)
    return doubted if source is None else await source.get_credentials()


@dataclass(frozen=True, slots=True)
class _Held:
    """Credentials, and the windows before their end."""

    credentials: Credentials
    fetched_at: datetime
    early: timedelta = field(init=False)
    """Time before the end from which one caller fetches fresh credentials."""
    late: timedelta = field(init=False)
    """Time before the end from which all callers wait for them."""

    def __post_init__(self) -> None:
        life = (self.credentials.expires_at or self.fetched_at) - self.fetched_at
        object.__setattr__(self, "early", min(_EARLY, life / 4))
        object.__setattr__(self, "late", min(_LATE, life / 6))

    @property
    def pause(self) -> timedelta:
        """Pause after a failed fetch while these are still valid: a minute for credentials that live an hour."""
        return self.early / 15

    def expires_within(self, span: timedelta, now: datetime) -> bool:
        return self.credentials.expires_at is not None and now >= self.credentials.expires_at - span

    def is_expired(self, now: datetime) -> bool:
        return self.expires_within(timedelta(0), now)


class _Refresh:
    """One fetch in its own task, which runs while at least one caller waits for it."""

    def __init__(self, work: Coroutine[Any, Any, Credentials], name: str) -> None:
        self._task = asyncio.get_running_loop().create_task(work, name=f"aios3: refresh {name}")
        self._task.add_done_callback(_look_at_failure)
        self._name = name
        self._waiters = 0
        self._is_ending = False

    @property
    def is_joinable(self) -> bool:
        # A task of an abandoned loop is never done.
        is_ours = self._task.get_loop() is asyncio.get_running_loop()
        return is_ours and not self._is_ending and not self._task.done()

    async def join(self) -> Credentials:
        """Wait for the result. A cancellation of the last waiter ends the fetch."""
        self._waiters += 1
        try:
            await asyncio.wait({self._task})
        finally:
            self._waiters -= 1
            if not self._waiters and not self._task.done():
                await self.end()
        if self._task.cancelled():
            raise DriverClosedError(f"{self._name}: closed while being refreshed")
        failure = self._task.exception()
        if failure is not None:
            raise _own_copy(failure)
        return self._task.result()

    async def end(self) -> None:
        self._is_ending = True
        self._task.cancel()
        finished = await finish_despite_cancellation(
            self._settle, deadline=_END_SECONDS, name=f"aios3: end the refresh of {self._name}"
        )
        if finished.cancellation is not None:
            raise finished.cancellation

    async def _settle(self) -> None:
        await asyncio.wait({self._task})


def _look_at_failure(task: asyncio.Task[Credentials]) -> None:
    # All waiters may have been cancelled in the turn of the loop in which the fetch failed.
    if not task.cancelled():
        task.exception()


def _own_copy(failure: BaseException) -> BaseException:
    """Return a copy of the failure for one of many waiters, because each upload adds its own notes to its error."""
    if not isinstance(failure, StorageError):
        return failure
    own = copy.copy(failure)
    own.__cause__, own.__suppress_context__ = failure.__cause__, failure.__suppress_context__
    return own.with_traceback(failure.__traceback__)
