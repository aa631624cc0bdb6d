"""Description of one upload, as the caller asked for it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aios3._concurrency.threads import hash_body
from aios3._protocol.attributes.headers import ObjectHeaders
from aios3._protocol.checksums.digests import md5_hex
from aios3._protocol.parts.part_plan import PartPlan
from aios3._protocol.wire.messages import Body
from aios3.checkpoints import FileIdentity, MultipartUpload, UploadCheckpoint
from aios3.models import CommitRequest, UploadAttributes
from aios3.observing import UploadCall

from .integrity import ObjectChecksum
from .progress import ProgressCallback

__all__ = ["BeforeCommit", "PartRange", "UploadJob"]

BeforeCommit = Callable[[CommitRequest], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class PartRange:
    """Parts of an open upload that one call sends or commits."""

    upload: MultipartUpload
    first_part: int
    is_last: bool
    """The source ends where the object ends, so its last part may be short."""


# Nothing changes a job, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class UploadJob:
    """One upload, with all settings checked and complete."""

    bucket: str
    key: str
    headers: ObjectHeaders
    plan: PartPlan
    concurrency: int
    """Maximum of part requests in flight."""
    checksum: ObjectChecksum | None
    """Additional checksum to send, or ``None``."""
    size: int | None
    """Bytes that the source must have, or ``None``."""
    max_size: int | None
    """Bytes that the source may have, or ``None``."""
    on_progress: ProgressCallback | None
    is_adaptive: bool = False
    """Fewer parts are in flight than `concurrency` if that is as fast. All such uploads of a driver share the limit."""
    attributes: UploadAttributes = field(default_factory=UploadAttributes, repr=False)
    """Attributes as the caller gave them; `headers` were made from them."""
    file: FileIdentity | None = None
    """Source, if `upload_object` was given a file; else ``None``."""
    nonce: str | None = None
    """Random value in the object's metadata that proves whose object it is; ``None`` if there is none."""
    resume: UploadCheckpoint | None = None
    """Checkpoint to resume, at whose offset the source begins; ``None`` for a new upload."""
    is_suspendable: bool = True
    """The upload may be left open when the driver is closed, if it has a journal."""
    sends_md5: bool = False
    """Every body has a Content-MD5, whether the object is locked or not."""
    before_commit: BeforeCommit | None = None
    """Function that may refuse the commit; ``None`` without one."""
    range: PartRange | None = None
    """Parts of an open upload to send, without a commit; ``None`` for an upload of its own."""
    call: UploadCall = "upload"
    """Kind of the call, for the observer."""
    began_at: float | None = None
    """Time of the call by the driver's monotonic clock, in seconds; ``None`` if its timing begins with the upload."""

    head_parts: int = 0
    """Parts at the beginning that are kept until the end, so that their bytes may be overwritten."""

    keeps_tail: bool = False
    """The unfinished part is copied to the store from time to time, so it must stay in memory."""

    @property
    def needs_md5(self) -> bool:
        """Bodies need Content-MD5: it was asked for, or the object is locked and no checksum is sent.

        S3 demands one of them for an object under a lock. A signed SHA-256 does not count.
        """
        return self.sends_md5 or (self.headers.is_locked and self.checksum is None)

    async def content_md5(self, body: Body) -> dict[str, str]:
        """Return the Content-MD5 header for a body; empty if the upload needs none."""
        if not self.needs_md5:
            return {}
        return {"content-md5": base64.b64encode(bytes.fromhex(await hash_body(md5_hex, body))).decode()}
