"""Checksums of multipart uploads: choice at Create, comparison at Complete, combination for the object."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.bodies import CHECKSUM_PREFIX, checksum_of, named_checksum
from aios3.testing.wire.documents import ListedPart
from aios3.testing.wire.received import ReceivedRequest

from .state import OpenUpload, StoredPart

__all__ = ["check_algorithm", "check_listed_checksums", "object_checksums", "read_checksum_plan"]

_CHECKSUM_TYPES: Final = {
    "crc32": ("COMPOSITE", "FULL_OBJECT"),
    "crc32c": ("COMPOSITE", "FULL_OBJECT"),
    "crc64nvme": ("FULL_OBJECT",),
    "sha1": ("COMPOSITE",),
    "sha256": ("COMPOSITE",),
}
"""Checksum types that each algorithm can have in a multipart upload, the default first."""


def read_checksum_plan(request: ReceivedRequest) -> tuple[str | None, str]:
    """Return the algorithm and the type that a Create asks for. ``None`` and ``""`` mean that it names none.

    Raises:
        Refusal: the algorithm is unknown, or does not have the type.
    """
    algorithm, kind = request.header(CHECKSUM_PREFIX + "algorithm"), request.header(CHECKSUM_PREFIX + "type")
    if algorithm is None:
        if kind is not None:
            raise Refusal(400, "InvalidRequest", "The x-amz-checksum-type header needs an x-amz-checksum-algorithm.")
        return None, ""
    types = _CHECKSUM_TYPES.get(algorithm.lower())
    if types is None:
        raise Refusal(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
    if (kind or types[0]) not in types:
        raise Refusal(400, "InvalidRequest", f"The {kind} checksum type cannot be used with {algorithm}.")
    return algorithm.lower(), kind or types[0]


def check_algorithm(upload: OpenUpload, checksums: Mapping[str, str]) -> None:
    """Check that a part has a checksum of the algorithm of its upload.

    Raises:
        Refusal: the part has another checksum, or none.
    """
    sent = next((name.removeprefix(CHECKSUM_PREFIX) for name in checksums), None)
    if upload.checksum_algorithm not in {None, sent}:
        message = f"expected checksum Type: {upload.checksum_algorithm}, actual checksum Type: {sent or 'null'}"
        raise Refusal(400, "InvalidRequest", f"Checksum Type mismatch occurred, {message}")


def check_listed_checksums(upload: OpenUpload, listed: list[ListedPart]) -> None:
    """Compare the checksums that a Complete lists with the checksums that came with the parts.

    Raises:
        Refusal: a checksum differs, is missing, or is listed although the upload has no algorithm.
    """
    algorithm = upload.checksum_algorithm
    for part in listed:
        stored = upload.parts[part.number].checksums
        expected = {algorithm: stored[CHECKSUM_PREFIX + algorithm]} if algorithm else {}
        if not part.checksums and (algorithm is None or upload.checksum_type == "FULL_OBJECT"):
            continue
        if not part.checksums:
            message = f"The upload was created using a {algorithm} checksum. It was missing for part {part.number}."
            raise Refusal(400, "InvalidRequest", message)
        if part.checksums != expected:
            message = "One or more of the specified parts could not be found, or its checksum did not match."
            raise Refusal(400, "InvalidPart", message, PartNumber=part.number)


def object_checksums(request: ReceivedRequest, upload: OpenUpload, parts: list[StoredPart]) -> dict[str, str]:
    """Compare the checksum of the whole object with the client's, and return it as a header.

    The result is empty if the checksum cannot be computed.

    Raises:
        Refusal: the checksums differ, or have different algorithms or types.
    """
    kind = request.header(CHECKSUM_PREFIX + "type")
    if kind is not None and kind != upload.checksum_type:
        stored = upload.checksum_type or "null"
        raise Refusal(400, "InvalidRequest", f"The upload was created using the {stored} checksum mode.")
    value = _combine(upload, parts)
    claimed = named_checksum(request.head)
    if claimed and upload.checksum_algorithm and claimed[0] != upload.checksum_algorithm:
        raise Refusal(400, "InvalidRequest", "The checksum is not of the algorithm that the upload was created with.")
    if claimed and value and claimed[1] != value:
        raise Refusal(
            400, "BadDigest", f"The {claimed[0].upper()} you specified did not match the calculated checksum."
        )
    return {f"{CHECKSUM_PREFIX}{upload.checksum_algorithm}": value} if value else {}


def _combine(upload: OpenUpload, parts: list[StoredPart]) -> str | None:
    algorithm = upload.checksum_algorithm
    if algorithm is None:
        return None
    if upload.checksum_type == "COMPOSITE":
        raw = [base64.b64decode(part.checksums[CHECKSUM_PREFIX + algorithm]) for part in parts]
        return f"{base64.b64encode(checksum_of(algorithm, raw)).decode()}-{len(parts)}"
    pieces = [part.content for part in parts if part.content is not None]
    if len(pieces) < len(parts):
        return None  # because the server keeps no bodies
    return base64.b64encode(checksum_of(algorithm, pieces)).decode()
