"""How many parts should be in flight: found by trying, as a pure function of what was observed.

Hill climbing on goodput. Parts that were sent at one number, the *level*, are
samples of what it yields: by Little's law ``level * bytes / seconds in flight``,
as long as the level was what held the parts back. Another level is tried, and
kept if it is worth it: a higher one if more bytes came through, a lower one if
no fewer did, because parts that only wait for each other cost memory. From the
beginning the level doubles; once that was not worth it, steps are a quarter, up
and down in turn, ever more rarely. Trouble (failures, an event loop that lags)
lowers the level at once; throttling only ends the trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FIRST_LEVEL", "AdaptiveConcurrency"]

FIRST_LEVEL: Final = 8
"""Parts in flight in the beginning: what is fixed otherwise, so that no stream is too short to be as fast as with that.
A nearby store needs no more, and doubling soon reaches what a distant one does."""

_LEAST_SAMPLES: Final = 4
"""Parts that a level is judged by, at least; a whole round of it otherwise."""

_WORTH_MORE: Final = 1.1
"""What a doubled level must yield, at least, to be kept; smaller steps their share of that tenth."""

_WORTH_LESS: Final = 0.95
"""What a lower level may yield, at least, to be kept: noise, not a loss."""

_FIRST_PAUSE: Final = 4
_LONGEST_PAUSE: Final = 64
"""Rounds between trials, doubled by every trial that was not worth it: networks change, but not often."""


@dataclass(slots=True)
class _Samples:
    count: int = 0
    size: int = 0
    seconds: float = 0.0
    was_wanted: bool = False
    """Somebody had to wait because the level was reached."""


class AdaptiveConcurrency:
    """The level, and what is known of its worth."""

    def __init__(self, most: int) -> None:
        """Begin at `FIRST_LEVEL`, or at `most`, the highest level that is ever tried."""
        self._most = most
        self.level = min(FIRST_LEVEL, most)
        """Parts that may be in flight now; at least 1."""
        self.epoch = 0
        """Grows with every change of the level: a part is a sample of the epoch in which it began."""
        self._samples = _Samples()
        self._base: tuple[int, float] | None = None
        """The level that the present one is tried against, and what that yielded; ``None`` between trials."""
        self._is_starting = True
        self._goes_up = True
        self._pause = _FIRST_PAUSE
        self._rounds_left = 0

    def wanted(self) -> None:
        """Note that a part had to wait because the level was reached."""
        self._samples.was_wanted = True

    def stored(self, epoch: int, size: int, seconds: float) -> None:
        """Note that a part of `size` bytes, begun in `epoch`, was acknowledged after so many seconds."""
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
        """Note that the store throttled, which is no time for trials: the level is what it was before the last one.

        It is not lowered, because a store that counts requests does not mind how many are waiting.
        """
        if epoch == self.epoch:
            level = self.level if self._base is None else min(self.level, self._base[0])
            self._rest_at(level)

    def on_failure(self, epoch: int) -> None:
        """Note that a part failed, or that the loop lags: the level is lowered, once a epoch."""
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
