"""Comparison of files with the objects that are there: by size and ETag, without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from aios3.cli._files.file_uploads import FileJob
from aios3.cli._shared.threads import in_daemon_thread
from aios3.driver import S3StorageDriver
from aios3.models import StorageObject
from aios3.options import MIB

__all__ = ["PART_SIZES", "differing_jobs", "is_equal"]

PART_SIZES: Final = tuple(size * MIB for size in (5, 8, 16, 64))
"""Part sizes with which objects are often uploaded: ours, and those of other clients."""
_READ_SIZE: Final = MIB


def is_equal(path: str, size: int, etag: str, part_sizes: Iterable[int] = PART_SIZES) -> bool:
    """Return whether the ETag of an object of the same size is the MD5 of the file, or of its parts. Blocks.

    ``False`` may also mean that the ETag says nothing: the object is encrypted with a key of KMS, or its parts have
    another size.

    Raises:
        OSError: the file cannot be read.
    """
    digest, _, count = etag.partition("-")
    if not count:
        return _md5(path) == digest
    sizes = {part_size for part_size in part_sizes if str(-(-size // part_size)) == count}
    return any(_md5_of_parts(path, part_size) == digest for part_size in sizes)


def _new_md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _md5(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _new_md5).hexdigest()


def _md5_of_parts(path: str, part_size: int) -> str:
    """Return the MD5 of the MD5s of all parts, from which S3 makes the ETag of a multipart upload."""
    whole, part, rest = _new_md5(), _new_md5(), part_size
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(min(rest, _READ_SIZE)):
            part.update(chunk)
            rest -= len(chunk)
            if rest == 0:
                whole.update(part.digest())
                part, rest = _new_md5(), part_size
    if rest < part_size:
        whole.update(part.digest())
    return whole.hexdigest()


async def differing_jobs(
    driver: S3StorageDriver, jobs: Mapping[FileJob, int], bucket: str, prefix: str, part_size: int | None
) -> list[FileJob]:
    """Return the jobs whose object is missing, or is not known to be equal to the file.

    Args:
        driver: lists the objects.
        jobs: the size of each file in bytes.
        bucket: the bucket of all jobs.
        prefix: beginning of all keys.
        part_size: part size of the uploads; ``None`` for the usual ones.

    Raises:
        StorageError: the objects cannot be listed.
    """
    stored = await _stored(driver, bucket, prefix, {job.url.key for job in jobs})
    sizes = PART_SIZES if part_size is None else (part_size, *PART_SIZES)
    return [job for job, size in jobs.items() if not await _is_stored(job, size, stored.get(job.url.key), sizes)]


async def _stored(driver: S3StorageDriver, bucket: str, prefix: str, keys: Collection[str]) -> dict[str, StorageObject]:
    objects = driver.iterate_container_objects(bucket, prefix=prefix)
    return {each.key: each async for each in objects if each.key in keys}


async def _is_stored(job: FileJob, size: int, found: StorageObject | None, part_sizes: Iterable[int]) -> bool:
    if found is None or found.size != size:
        return False
    try:
        return await in_daemon_thread(lambda: is_equal(job.path, size, found.etag, part_sizes))
    except OSError:  # the upload will say it
        return False
