"""Probes with one PutObject each: permission to write and read, conditions, checksums."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from aios3._protocol.checksums.digests import CHECKSUMS, checksum_header, checksum_of, is_available
from aios3._protocol.operations import HeadObject
from aios3.errors import AccessDeniedError, ConflictError, PreconditionFailedError, ResponseError
from aios3.providers import Provider

from .abilities import Ability, Shown
from .findings import Finding, Report, describe_refusal
from .scratch import Scratch

__all__ = ["check_checksums", "check_conditions", "check_writing"]

_BODY: Final = b"aios3 doctor"
_ALGORITHMS: Final = {"crc32": 4, "crc64nvme": 8, "sha256": 32}
"""Checksums to try, and their bytes: one that every SDK can compute, S3's default, and a cryptographic one."""
_MISMATCHES: Final = ("digest", "checksummismatch", "xamzcontentchecksum")
"""Words in codes with which stores refuse a body that its checksum does not fit."""


async def check_writing(scratch: Scratch, report: Report) -> bool:
    """Find out whether the keys may write and read, and return whether they may write. Sends two requests."""
    try:
        await scratch.put(_BODY, {})
    except ResponseError as error:
        report(_no_writing(error))
        return False
    report(Finding("permission to write", "ok", "the keys may write objects"))
    try:
        await scratch.client.run(HeadObject(scratch.bucket, scratch.key))
    except ResponseError as error:
        text = f"the keys may write objects but not read them ({describe_refusal(error)})"
        advice = "give them s3:GetObject: aios3 looks at the object if the response of an upload is lost"
        report(Finding("permission to read", "warning", text, advice))
    else:
        report(Finding("permission to read", "ok", "the keys may read objects"))
    return True


def _no_writing(error: ResponseError) -> Finding:
    is_denied = isinstance(error, AccessDeniedError)
    text = f"the keys may not write objects ({describe_refusal(error)})" if is_denied else str(error)
    advice = "give them s3:PutObject and s3:AbortMultipartUpload, or choose other keys with --profile"
    return Finding("permission to write", "problem", text, advice if is_denied else "")


async def check_conditions(scratch: Scratch, provider: Provider, report: Report) -> None:
    """Find out whether PutObject obeys conditions. Sends two requests; the scratch object exists already."""
    relies = provider.conditional_put
    instead = "write each key once, or take a lock in another system"
    if_none_match = Ability(
        "If-None-Match of PutObject",
        "PutObject with If-None-Match never replaces an object",
        "PutObject ignores If-None-Match, so a second writer replaces the object",
        instead, "If-None-Match", relies, "conditional_put",
    )  # fmt: skip
    if_match = Ability(
        "If-Match of PutObject",
        "PutObject with If-Match replaces only the object that has the ETag",
        "PutObject ignores If-Match, so it replaces an object that has changed",
        instead, "If-Match", bool(relies) and "if_match" not in provider.refused_attributes if relies else relies,
        "conditional_put",
    )  # fmt: skip
    report(if_none_match.judge(*await _put_against(scratch, {"if-none-match": "*"})))
    report(if_match.judge(*await _put_against(scratch, {"if-match": f'"{"0" * 32}"'})))


async def _put_against(scratch: Scratch, headers: Mapping[str, str]) -> tuple[Shown, str]:
    """Store the object under a condition that does not hold, and return what the store did."""
    try:
        await scratch.put(_BODY, headers)
    except (PreconditionFailedError, ConflictError) as error:
        return "obeyed", describe_refusal(error)
    except ResponseError as error:
        return "unclear" if error.status >= 500 and error.status != 501 else "refused", describe_refusal(error)
    return "ignored", ""


async def check_checksums(scratch: Scratch, provider: Provider, report: Report) -> None:
    """Find out which checksums the store compares. Sends a request or two for each of three algorithms."""
    for algorithm in _ALGORITHMS:
        name = algorithm.upper()
        is_default = provider.default_checksum == algorithm
        ability = Ability(
            f"checksum {name}",
            f"the store refuses a body that does not match its {name}",
            f"the store ignores {name} checksums, so it stores a body that was damaged in transit",
            "use https, which protects bodies in transit" if is_default or algorithm != "crc32"
            else "use https, or try --checksum md5",
            f"a {name} checksum",
            True if algorithm in provider.checksums else None,
            "checksums",
        )  # fmt: skip
        report(ability.judge(*await _put_with_wrong(scratch, algorithm)))


async def _put_with_wrong(scratch: Scratch, algorithm: str) -> tuple[Shown, str]:
    wrong = base64.b64encode(bytes(_ALGORITHMS[algorithm])).decode()
    try:
        await scratch.put(_BODY, {checksum_header(algorithm): wrong})
    except ResponseError as error:
        code = (error.code or "").lower()
        if any(word in code for word in _MISMATCHES):
            return "obeyed", describe_refusal(error)
        return await _put_with_right(scratch, algorithm, describe_refusal(error))
    return "ignored", ""


async def _put_with_right(scratch: Scratch, algorithm: str, detail: str) -> tuple[Shown, str]:
    """Return whether the store refused the wrong checksum, or checksums at all."""
    if algorithm not in CHECKSUMS or not is_available(algorithm):
        return "unclear", f"{detail}; to compute the right checksum, install the extra 'checksums'"
    try:
        await scratch.put(_BODY, {checksum_header(algorithm): checksum_of(algorithm, [_BODY])})
    except ResponseError as error:
        return "refused", describe_refusal(error)
    return "obeyed", detail
