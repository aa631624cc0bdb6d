"""Search for the best number of parts in flight, as a pure function of observations.

The search is hill climbing on goodput. The number of parts that may be in flight
is the *level*. Parts sent at one level are samples of its goodput: by Little's
law ``level * bytes / seconds in flight``, as long as the level was the limit. A
trial moves to another level and keeps it if it is worth it. A higher level is
worth it if goodput rises. A lower one is worth it if goodput does not fall,
because parts that only wait for each other cost memory. At first the level
doubles. After the first trial that was not worth it, steps are a quarter, up and
down in turn, ever more rarely. Trouble (failures, an event loop that lags) lowers
the level at once. Throttling only ends the trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FIRST_LEVEL", "AdaptiveConcurrency"]

FIRST_LEVEL: Final = 8
"""Parts in flight at the beginning: the usual fixed number, so even a short stream is as fast as with a fixed limit. It
is enough for a nearby store, and doubling soon reaches the level of a distant one."""

_LEAST_SAMPLES: Final = 4
"""Fewest parts that a level is judged by; a higher level needs a whole round of parts."""

_WORTH_MORE: Final = 1.1
"""Least ratio of goodput that keeps a doubled level; a smaller step needs its share of that tenth."""

_WORTH_LESS: Final = 0.95
"""Least ratio of goodput that keeps a lower level: the difference is noise, not a loss."""

_FIRST_PAUSE: Final = 4
_LONGEST_PAUSE: Final = 64
"""Rounds between trials. Every trial that was not worth it doubles them: networks change, but not often."""


@dataclass(slots=True)
class _Samples:
    count: int = 0
    size: int = 0
    seconds: float = 0.0
    was_wanted: bool = False
    """Whether a part had to wait because the level was reached."""


class AdaptiveConcurrency:
    """The current level, and the observations that decide the next one."""

    def __init__(self, most: int) -> None:
        """Begin at `FIRST_LEVEL`, or at `most` if that is lower; `most` is the highest level that is ever tried."""
        self._most = most
        self.level = min(FIRST_LEVEL, most)
        """Parts that may be in flight now; at least 1."""
        self.epoch = 0
        """Number of changes of the level so far. A part is a sample of the epoch in which it began."""
        self._samples = _Samples()
        self._base: tuple[int, float] | None = None
        """Level before the trial, and its goodput in bytes a second; ``None`` between trials."""
        self._is_starting = True
        self._goes_up = True
        self._pause = _FIRST_PAUSE
        self._rounds_left = 0

    def wanted(self) -> None:
        """Record that a part had to wait because the level was reached."""
        self._samples.was_wanted = True

    def stored(self, epoch: int, size: int, seconds: float) -> None:
        """Record that a part of `size` bytes, begun in `epoch`, was acknowledged after `seconds`."""
        if epoch != self.epoch:
            return
        samples = self._samples
        samples.count += 1
        samples.size += size
        samples.seconds += seconds
        if samples.count >= max(_LEAST_SAMPLES, self.level):
            self._samples = _Samples()
            self._judge(samples)

    def throttled(self, epoch: int) -> None:
        """End a running trial at the lower of its two levels, because the store throttles.

        The level is not lowered further: a store that counts requests does not mind how many are waiting.
        """
        if epoch == self.epoch:
            level = self.level if self._base is None else min(self.level, self._base[0])
            self._rest_at(level)

    def on_failure(self, epoch: int) -> None:
        """Lower the level by a quarter, once an epoch, because a part failed or the loop lags."""
        if epoch == self.epoch:
            self._rest_at(self.level * 3 // 4)

    def _rest_at(self, level: int) -> None:
        self._base, self._is_starting, self._goes_up = None, False, True
        self._rounds_left = self._pause
        self._move_to(level)

    def _judge(self, samples: _Samples) -> None:
        goodput = self.level * samples.size / max(samples.seconds, 1e-9)
        if self._base is not None:
            self._end_trial(goodput, was_wanted=samples.was_wanted)
        elif self._rounds_left:
            self._rounds_left -= 1
        elif samples.was_wanted or self.level > 1:
            self._goes_up = self._goes_up and samples.was_wanted
            self._begin_trial(goodput)

    def _begin_trial(self, goodput: float) -> None:
        step = self.level if self._is_starting else max(1, self.level // 4)
        level = min(self._most, self.level + step) if self._goes_up else max(1, self.level - step)
        if level == self.level:
            self._turn_round()
            return
        self._base = (self.level, goodput)
        self._move_to(level)

    def _end_trial(self, goodput: float, *, was_wanted: bool) -> None:
        assert self._base is not None
        base, before = self._base
        self._base = None
        if self._goes_up:
            share = (self.level - base) / base
            is_worth_it = was_wanted and goodput >= before * (1 + (_WORTH_MORE - 1) * share)
        else:
            is_worth_it = not was_wanted or goodput >= before * _WORTH_LESS
        if is_worth_it:
            self._pause = _FIRST_PAUSE
            self._begin_trial(goodput)
        else:
            self._move_to(base)
            self._turn_round()

    def _turn_round(self) -> None:
        self._is_starting = False
        self._goes_up = not self._goes_up
        self._rounds_left = self._pause
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def _move_to(self, level: int) -> None:
        self.level = max(1, level)
        self.epoch += 1
        self._samples = _Samples()
