"""Record of where the time of an upload went."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UploadTiming"]


@dataclass(frozen=True, slots=True)
class UploadTiming:
    """Wall time of one upload in seconds, from the call to the commit, divided by what the upload waited for.

    With ``durable_every``, the request that deletes the tail comes after the commit and is not part of it.

    Each moment counts once, so the fields add up to `total`. A wait of the task that reads the source comes first:
    `source`, `memory` and `slot` count while parts are in flight behind it. The next four fields are moments in which
    that task waits for requests only. Of several requests, one that sends decides, then one that waits for its
    response, then one in `backoff`, then one in the queue of the driver, which counts as `slot`.
    """

    source: float = 0.0
    """Waiting for the source, and copying what it gave. For `open_upload`: the time between writes, too. An
    ``on_progress`` function that the reading waits for is part of it."""
    memory: float = 0.0
    """Waiting for memory within ``TransferConfig.memory_limit``, or moving a part to the disk instead."""
    slot: float = 0.0
    """Waiting for a free slot with a complete part in hand: all slots have parts in flight, so the store or the network
    is slower than the source. Waiting for a turn while the store throttles counts, too."""
    sending: float = 0.0
    """Sending a body, from the connection on, until its last byte has left this process."""
    response: float = 0.0
    """Waiting for a response of the store."""
    backoff: float = 0.0
    """Waiting before a retry, because an attempt has failed."""
    commit: float = 0.0
    """``before_commit`` and CompleteMultipartUpload, with its retries and look-ups. The PutObject of a small object
    counts as `sending`, `response` and `backoff` instead."""
    preparing: float = 0.0
    """The rest: opening the driver and the file, looking up credentials, computing checksums, signing."""

    @property
    def total(self) -> float:
        """Seconds of the whole upload: the sum of all fields."""
        waits = self.source + self.memory + self.slot
        return waits + self.sending + self.response + self.backoff + self.commit + self.preparing
