"""Options for parts, retries and timeouts: frozen values, checked when they are made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal

from aios3.errors import ConfigurationError

__all__ = ["GIB", "KIB", "MIB", "RetryPolicy", "Timeouts", "TransferConfig", "is_byte_count"]

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigurationError(message)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike) and bool(os.fspath(value))


def is_byte_count(value: object) -> bool:
    """Return whether `value` can be a number of bytes."""
    return _is_count(value) and isinstance(value, int) and value >= 0


@dataclass(frozen=True, slots=True)
class TransferConfig:
    """Options for the parts of a source, their concurrency and their memory.

    One upload holds at most ``concurrency + 1`` parts of source bytes. All uploads
    of a driver together hold at most ``memory_limit``.

    Raises:
        ConfigurationError: a value is out of range. The driver checks when it is
            made whether ``part_size`` suits its provider.
    """

    part_size: int = 5 * MIB
    """Bytes of the first parts. S3 takes at least 5 MiB for a part that is not the last. All parts of an upload with a
    declared size are larger if the store's number of parts (10,000 for S3) would not suffice."""
    concurrency: int | Literal["auto"] = 8
    """Limit of part requests in flight per upload, from 1 to 1,000. ``"auto"`` finds the useful number by trials, for
    all uploads of the driver together. It begins with 8 and takes more while the throughput grows, up to 32 per upload
    and 128 in all. It takes fewer when requests fail, when the event loop lags, or when fewer are as fast. An upload
    with ``"auto"`` holds at most 33 parts. While a store throttles, its pace limits all requests too."""
    memory_limit: int = 256 * MIB
    """Limit of the source bytes that all uploads of the driver hold together; at least one part. A `bytes` source of at
    most one part is sent without a copy: it stays the caller's, and does not count."""
    spill_directory: str | os.PathLike[str] | None = "auto"
    """Directory for parts that get no memory, because the unfinished parts of other uploads hold it. Slow clients then
    do not block fast clients. The files have no names, so a process that dies leaves none. With a directory, unfinished
    parts leave a quarter of ``memory_limit`` free, to read parts back from the disk. A part larger than this quarter is
    not spilled. The driver's directory counts, not that of a single upload.

    ``"auto"`` takes ``$TMPDIR``, else ``/var/tmp``, else the system's directory for temporary files, when it is first
    needed. If no file can be made there, or a quarter of ``memory_limit`` holds no part, nothing is spilled. A
    directory that is named must be usable, and a quarter of ``memory_limit`` must hold a part. ``None`` spills nothing.

    An upload that gets neither memory nor disk waits. If another upload holds memory and its source has given nothing
    for 30 seconds, that upload is ended with a `SourceStalledError`. The source that was silent longest comes first. So
    a stalled source never stops other uploads."""
    spill_limit: int = 4 * GIB
    """Limit of the bytes in ``spill_directory``, of all uploads of the driver together."""
    checksum: Literal["auto", "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5"] | None = "auto"
    """Additional checksum of every part. ``"auto"`` sends the default checksum that the provider is known to take;
    ``None`` sends none. ``"md5"`` sends Content-MD5 with every body instead, for buckets that lock
    every object and stores that take no other digest."""
    part_growth: Literal["auto", "fixed"] = "auto"
    """``"auto"`` lets later parts of a stream of unknown length grow, if the provider takes unequal parts. With 10,000
    parts, the size doubles at part 5,001 and every 500 parts after it, up to half of ``memory_limit``. So the number of
    parts ends the upload much later. ``"fixed"`` keeps parts equal."""
    payload_signing: Literal["auto", "sha256", "unsigned"] = "auto"
    """Signature of bodies by their SHA-256. ``"auto"`` signs over http. Over https, where TLS already protects bodies,
    it signs only if the provider wants it."""
    mechanism: Literal["auto", "multipart", "stream"] = "auto"
    """Requests for a source that is longer than one part. ``"multipart"``: parts, each of which can be repeated.
    ``"stream"``: one PutObject that is sent while the source is read, with Content-Length if ``size`` is declared,
    else chunked (which Amazon S3 itself refuses). Its limits: a failure after the first ``part_size`` bytes ends the
    upload; the body is signed with UNSIGNED-PAYLOAD and has no checksum; and it may not be longer than the store takes
    in one PutObject. It always carries a `nonce`, which settles a lost response. ``"auto"``: multipart if the provider
    has it."""
    nonce: bool = False
    """``True`` marks the object by a random value in its metadata (``aios3-nonce``). If the response to the commit is
    lost, the value proves whether the object at the key is this upload's, even if the ETag cannot. (The ETag cannot if
    the object is encrypted with a key of KMS or of the customer, or streamed to a store with other ETags.)"""
    suspendable: bool = True
    """``True``: a driver with a journal leaves the upload open when the driver is closed, to be resumed. ``False``: the
    upload is aborted, as without a journal, because its source cannot be read again from the middle (the body of a web
    request). The journal lists it in both cases, and `recover` ends it after a crash."""

    def __post_init__(self) -> None:
        _require(isinstance(self.nonce, bool), "nonce must be True or False")
        _require(isinstance(self.suspendable, bool), "suspendable must be True or False")
        _require(_is_count(self.part_size) and self.part_size >= 1, "part_size must be a positive number of bytes")
        is_number = isinstance(self.concurrency, int) and _is_count(self.concurrency) and 1 <= self.concurrency <= 1000
        _require(is_number or self.concurrency == "auto", 'concurrency must be in 1..1000, or "auto"')
        _require(
            _is_count(self.memory_limit) and self.memory_limit >= self.part_size,
            "memory_limit must hold at least one part (part_size bytes)",
        )
        self._check_spilling()
        known = (None, "auto", "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5")
        _require(self.checksum in known, f"unknown checksum {self.checksum!r}")
        _require(self.mechanism in ("auto", "multipart", "stream"), f"unknown mechanism {self.mechanism!r}")
        _require(self.part_growth in ("auto", "fixed"), f"unknown part_growth {self.part_growth!r}")
        _require(
            self.payload_signing in ("auto", "sha256", "unsigned"), f"unknown payload_signing {self.payload_signing!r}"
        )

    def _check_spilling(self) -> None:
        _require(
            _is_count(self.spill_limit) and self.spill_limit >= 1, "spill_limit must be a positive number of bytes"
        )
        if self.spill_directory in ("auto", None):
            return
        _require(_is_path(self.spill_directory), "spill_directory must be a path, or None")
        _require(
            self.memory_limit >= 4 * self.part_size,
            "memory_limit must hold at least four parts (of part_size bytes) where there is a spill_directory, because "
            "a quarter of it is kept to read parts back",
        )
        _require(self.spill_limit >= self.part_size, "spill_limit must hold at least one part (part_size bytes)")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Options for the attempts of one request and the backoff between them.

    The backoff before retry number i (from 0) is a random time up to
    ``min(max_delay, base * 2**i)`` seconds. The base is ``throttle_base_delay``
    after SlowDown and similar errors, and ``base_delay`` after any other failure.
    The backoff is at least the Retry-After of the store.

    While a store throttles, the driver sends all parts together at the rate that
    the store last accepted. Then the backoff after a SlowDown may end early: when
    a request that was sent later has succeeded, and in the first third of the
    attempts also when the rate allows a request.

    Raises:
        ConfigurationError: a value is out of range.
    """

    max_attempts: int = 6
    """Attempts per request, the first one included; 1 never retries. The requests of a clean-up (abort, and the proof
    that nothing remained) may take six in any case, so that no upload stays open."""
    base_delay: float = 0.2
    """Base in seconds of the backoff after most failures."""
    throttle_base_delay: float = 1.0
    """Base in seconds of the backoff after SlowDown and similar errors."""
    max_delay: float = 20.0
    """Limit of the backoff in seconds, also of a Retry-After."""
    budget: int = 500
    """Tokens shared by all requests of a driver. A retry takes 5 (10 after a timeout). Requests that are throttled
    together take 5 together. Every success gives one token back, and every second a hundredth of the budget. Without
    enough tokens nothing is retried, which spares a failing store."""

    def __post_init__(self) -> None:
        _require(_is_count(self.max_attempts) and self.max_attempts >= 1, "max_attempts must be at least 1")
        _require(self.base_delay >= 0, "base_delay must not be negative")
        _require(self.throttle_base_delay >= 0, "throttle_base_delay must not be negative")
        _require(self.max_delay >= 0, "max_delay must not be negative")
        _require(_is_count(self.budget) and self.budget >= 0, "budget must not be negative")


@dataclass(frozen=True, slots=True, init=False)
class Timeouts:
    """Limits of a stall in each phase of one attempt, in seconds. None of them limits the whole upload.

    Raises:
        ConfigurationError: a value is not positive.
    """

    connect: float = 10.0
    """Name lookup, TCP and TLS."""
    send: float = 30.0
    """Time in which no byte of the body moves. A slow body that moves is never cut."""
    read: float = 60.0
    """Time without a byte of the response, counted from the last byte sent or received."""
    complete: float = 300.0
    """The same for CompleteMultipartUpload, for which S3 may need minutes."""
    cleanup: float = 30.0
    """Limit of the whole clean-up after a failure or a cancellation: a Create in flight, the abort, its retries, and
    the proof that nothing remained. The end of a closed source comes before that and may take as long."""
    source: float | None = None
    """Time without a byte of a source, counted from the read. After that time, or up to a quarter of it later, the
    upload is aborted, and its call raises `SourceStalledError`. Time in which the upload does not read, because it
    waits for the store or for memory, does not count. Time between the writes of an ``open_upload`` block does not
    count either. ``None``: no limit (but see ``TransferConfig.spill_directory``)."""

    def __init__(
        self,
        connect: float = connect,
        send: float = send,
        read: float = read,
        complete: float = complete,
        cleanup: float = cleanup,
        source: float | None = source,
        *,
        answer: float | None = None,
    ) -> None:
        """Set the limits; `answer` is the former name of `read`."""
        given = {"connect": connect, "send": send, "read": read, "complete": complete, "cleanup": cleanup}
        for name, value in (given | {"source": source}).items():
            object.__setattr__(self, name, value)
        if answer is not None:
            object.__setattr__(self, "read", answer)
        for name in given:
            _require(getattr(self, name) > 0, f"the {name} timeout must be positive")
        _require(self.source is None or self.source > 0, "the source timeout must be positive, or None")

    @property
    def answer(self) -> float:
        """Former name of `read`."""
        return self.read
