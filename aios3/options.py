"""How uploads are cut, retried and timed: frozen values, checked when they are made."""

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
    """How a source is cut into parts and how much runs at once.

    One upload holds at most ``(concurrency + 1) * part_size`` source bytes;
    all uploads of a driver together hold at most ``memory_limit``.

    Raises:
        ConfigurationError: a value is out of range. Whether ``part_size`` suits
            the store is checked when the driver is made, against its provider.
    """

    part_size: int = 5 * MIB
    """Bytes of the first parts. 5 MiB is the least that S3 takes for a part that is not the last."""
    concurrency: int | Literal["auto"] = 8
    """Part requests in flight per upload, at most. ``"auto"`` finds by trying how many are worth it, for all uploads of
    the driver together: it begins with 8, takes more while more bytes come through, up to 32 an upload and 128 in all,
    and fewer when requests fail, the event loop lags, or fewer do as well. (While a store throttles they are sent
    at its pace anyhow.) An upload then holds at most 33 parts."""
    memory_limit: int = 256 * MIB
    """Source bytes held by all uploads of the driver together, at most; at least one part. A source that is `bytes` of
    at most one part is sent from where it is: it stays its caller's, and does not count."""
    spill_directory: str | os.PathLike[str] | None = "auto"
    """Where the bytes of a part go that would have to wait for memory that unfinished parts of other uploads hold, so
    that slow clients do not block fast ones. Its files have no names, so a process that dies leaves none. Unfinished
    parts leave a quarter of ``memory_limit`` free then, to read parts back from the disk, and no larger part goes
    there. The driver's counts, not that of a single upload.

    ``"auto"`` takes ``$TMPDIR``, else ``/var/tmp``, else the system's directory for temporary files, when it is first
    needed. Where no file can be made there, or a quarter of ``memory_limit`` holds no part, nothing goes to the disk.
    A directory that is named must be usable, and a quarter of ``memory_limit`` must hold a part. ``None``: no disk.

    An upload that finds neither memory nor disk waits. If another one holds some whose source has given nothing for 30
    seconds, that one is ended with a `SourceStalledError`, the one that was silent longest first: a stalled source
    never keeps others from uploading."""
    spill_limit: int = 4 * GIB
    """Bytes in ``spill_directory`` of all uploads of the driver together, at most."""
    checksum: Literal["auto", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"] | None = "auto"
    """An additional checksum sent with every part. ``"auto"`` sends what the provider is known to take by
    default; ``None`` sends none."""
    part_growth: Literal["auto", "fixed"] = "auto"
    """``"auto"`` lets later parts of a stream of unknown length grow, where the provider takes unequal parts,
    so that the number of parts does not end it; ``"fixed"`` keeps them equal."""
    payload_signing: Literal["auto", "sha256", "unsigned"] = "auto"
    """Whether bodies are signed by their SHA-256. ``"auto"``: over http yes; over https, where TLS already
    protects them, only if the provider wants it."""
    mechanism: Literal["auto", "multipart", "stream"] = "auto"
    """What a source that is longer than one part becomes. ``"multipart"``: parts, each of which can be repeated.
    ``"stream"``: one PutObject that goes out while the source is read, with Content-Length if ``size`` is declared,
    else chunked (which Amazon S3 itself refuses). Its limits: after the first ``part_size`` bytes no failure can be
    made good, so the upload ends by it; the body is signed with UNSIGNED-PAYLOAD and has no checksum; and it may not
    be longer than the store takes in one PutObject. It always carries a `nonce`, which settles a lost response.
    ``"auto"``: multipart wherever the provider has it."""
    nonce: bool = False
    """Mark the object by a random value in its metadata (``aios3-nonce``). If the answer to the commit is lost, it
    tells for certain whether the object at the key is this upload's, also where its ETag cannot (an object that is
    encrypted with a key of KMS or of the customer's, or streamed to a store with ETags of its own)."""
    suspendable: bool = True
    """Whether a driver with a journal leaves the upload open when the driver is closed, to go on later. ``False``: the
    upload is aborted, as without a journal, because its source cannot be read again from the middle (the body of a web
    request). The journal lists it anyhow, so that `recover` ends it after a crash."""

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
        known = (None, "auto", "crc32", "crc32c", "crc64nvme", "sha1", "sha256")
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
    """How often and how patiently one request is repeated.

    The wait before retry number i (from 0) is a random part of
    ``min(max_delay, base * 2**i)`` seconds, where base is
    ``throttle_base_delay`` after SlowDown and its kin and ``base_delay`` after
    any other failure; a Retry-After from the store is a lower bound.

    While a store throttles, parts go at the pace that it was seen to allow, all
    of a driver together. The wait after a SlowDown then ends as soon as
    something sent later has come through, and for the first third of the
    attempts as soon as the pace allows a request.

    Raises:
        ConfigurationError: a value is out of range.
    """

    max_attempts: int = 6
    """Attempts per request, the first one included; 1 never retries. The requests of a clean-up (abort, and the proof
    that nothing remained) may take six in any case, because they keep a promise."""
    base_delay: float = 0.2
    """Seconds."""
    throttle_base_delay: float = 1.0
    """Seconds."""
    max_delay: float = 20.0
    """Seconds; also the most that a Retry-After is obeyed for."""
    budget: int = 500
    """Tokens shared by all requests of a driver: a retry takes 5 (10 after a timeout), every success gives one
    back. Parts that were on their way together when the store asked for less take 5 together. When the tokens are gone
    nothing is retried, so that a dying store is not hammered."""

    def __post_init__(self) -> None:
        _require(_is_count(self.max_attempts) and self.max_attempts >= 1, "max_attempts must be at least 1")
        _require(self.base_delay >= 0, "base_delay must not be negative")
        _require(self.throttle_base_delay >= 0, "throttle_base_delay must not be negative")
        _require(self.max_delay >= 0, "max_delay must not be negative")
        _require(_is_count(self.budget) and self.budget >= 0, "budget must not be negative")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase of one attempt may stand still, in seconds. None of them limits the whole upload.

    Raises:
        ConfigurationError: a value is not positive.
    """

    connect: float = 10.0
    """Name lookup, TCP and TLS."""
    send: float = 30.0
    """No byte of the body moved. A slow body that moves is never cut."""
    answer: float = 60.0
    """No byte of the answer came, counted from the last byte sent or received."""
    complete: float = 300.0
    """The same for CompleteMultipartUpload, which S3 may take minutes to answer."""
    cleanup: float = 30.0
    """All that is done after a failure or cancellation: a Create in flight, the abort, its retries, its proof. Before
    that, as long at most: the end of a source that was closed."""
    source: float | None = None
    """A source gave no byte, counted from the time when it was asked; then the upload is aborted and its call raises
    `SourceStalledError`, at most a quarter later. Time in which the source is not asked, because the store or memory is
    waited for, does not count, nor does the time between the writes of an ``open_upload`` block. ``None``: a source may
    take as long as it likes (but see ``TransferConfig.spill_directory``)."""

    def __post_init__(self) -> None:
        for name in ("connect", "send", "answer", "complete", "cleanup"):
            _require(getattr(self, name) > 0, f"the {name} timeout must be positive")
        _require(self.source is None or self.source > 0, "the source timeout must be positive, or None")
