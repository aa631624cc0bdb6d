"""Description of one upload, as the caller asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from aios3._protocol.attributes.headers import ObjectHeaders
from aios3._protocol.parts.part_plan import PartPlan
from aios3.checkpoints import FileIdentity, UploadCheckpoint
from aios3.models import UploadAttributes

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
    is_adaptive: bool = False
    """Fewer parts are in flight than `concurrency` where that yields as much; all such uploads of a driver share it."""
    attributes: UploadAttributes = field(default_factory=UploadAttributes, repr=False)
    """As the caller gave them, which `headers` were made of."""
    file: FileIdentity | None = None
    """The source, where it is a file that `upload_object` was given."""
    nonce: str | None = None
    """Random value in the object's metadata that proves whose object it is; ``None`` if there is none."""
    resume: UploadCheckpoint | None = None
    """What to go on from: the source then begins at its offset."""
    is_suspendable: bool = True
    """The upload may be left open when the driver is closed, if it has a journal."""
