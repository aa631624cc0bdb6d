"""What the caller asked for."""

from __future__ import annotations

from dataclasses import dataclass

from aios3._protocol.attributes import ObjectHeaders
from aios3._protocol.part_plan import PartPlan
from aios3.checkpoints import UploadCheckpoint

from .integrity import ObjectChecksum
from .progress import ProgressCallback

__all__ = ["UploadJob"]


@dataclass(frozen=True, slots=True)
class UploadJob:
    """One upload, checked and complete."""

    bucket: str
    key: str
    headers: ObjectHeaders
    plan: PartPlan
    concurrency: int
    """Part requests in flight, at most."""
    checksum: ObjectChecksum | None
    """The additional checksum to send, or ``None``."""
    size: int | None
    """Bytes that the source must have, or ``None``."""
    max_size: int | None
    """Bytes that the source may have, or ``None``."""
    on_progress: ProgressCallback | None
    resume: UploadCheckpoint | None = None
    """What to go on from: the source then begins at its offset."""
