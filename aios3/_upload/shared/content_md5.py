"""Content-MD5, if it is asked for, and for objects under a lock: S3 demands it or a checksum there.

A signed SHA-256 does not count.
"""

from __future__ import annotations

import base64

from aios3._client.hashing import hash_body, md5_hex
from aios3._protocol.wire.messages import Body
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .job import UploadJob

__all__ = ["check_lock", "content_md5", "needs_md5"]


def needs_md5(job: UploadJob) -> bool:
    """Return whether bodies need Content-MD5: it was asked for, or the object is locked and no checksum is sent."""
    return job.sends_md5 or (job.headers.is_locked and job.checksum is None)


def check_lock(job: UploadJob, provider: Provider) -> None:
    """Check that an upload under an object lock, or with Content-MD5, sends a digest that the store accepts.

    Raises:
        ConfigurationError: no digest can be sent with the bodies.
    """
    if not job.headers.is_locked and not job.sends_md5:
        return
    reason = "an object lock" if job.headers.is_locked else 'checksum="md5"'
    if job.plan.is_streamed and (job.size is None or job.size > job.plan.first_size):
        raise ConfigurationError(
            f"{reason} needs Content-MD5 or a checksum of the whole body before its first byte is sent; a "
            "streamed upload has neither"
        )
    if needs_md5(job) and provider.content_md5 is False:
        raise ConfigurationError(
            f"{reason} needs Content-MD5, which {provider.name} does not take, or a checksum: choose one with "
            "TransferConfig(checksum=...)"
        )


async def content_md5(job: UploadJob, body: Body) -> dict[str, str]:
    """Return the Content-MD5 header for a body; empty if the upload needs none."""
    if not needs_md5(job):
        return {}
    return {"content-md5": base64.b64encode(bytes.fromhex(await hash_body(md5_hex, body))).decode()}
