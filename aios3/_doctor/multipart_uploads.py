"""Probes with multipart uploads: ListParts, minimum part, unequal parts, size and condition at Complete."""

from __future__ import annotations

from collections.abc import Mapping

from aios3._protocol.operations import ListParts, PartResponse
from aios3.errors import ConflictError, PreconditionFailedError, ResponseError, UploadNotFoundError
from aios3.providers import Provider

from .abilities import Ability, Shown
from .findings import Finding, Report, describe_refusal
from .scratch import Scratch

__all__ = ["check_multipart_uploads"]


async def check_multipart_uploads(scratch: Scratch, provider: Provider, report: Report) -> None:
    """Find out what the store does with multipart uploads. Sends 11 to 16 requests, and at most three parts of data."""
    try:
        small = await _SmallUpload.begin(scratch)
    except ResponseError as error:
        report(_no_multipart(error))
        return
    report(await _judge_size(small, provider))
    report(await _judge_condition(small, provider))
    has_minimum = await _check_small_parts(small, provider, report)
    report(await _judge_unequal_parts(scratch, provider, has_minimum=has_minimum))


def _no_multipart(error: ResponseError) -> Finding:
    text = f"the store refuses multipart uploads ({describe_refusal(error)}), so only one PutObject can make an object"
    advice = "give the keys s3:PutObject, or pass --mechanism stream if the store has no multipart uploads"
    return Finding("multipart uploads", "problem", text, advice)


class _SmallUpload:
    """Upload of one part of one byte, which is begun again whenever the store has ended it."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.upload_id = ""
        self.parts: list[tuple[int, PartResponse]] = []

    @classmethod
    async def begin(cls, scratch: Scratch) -> _SmallUpload:
        """Return an upload that is open.

        Raises:
            ResponseError: the store refused.
        """
        self = cls(scratch)
        await self._begin_again()
        return self

    async def _begin_again(self) -> None:
        self.upload_id = await self.scratch.create()
        self.parts = [await self.scratch.send_part(self.upload_id, 1, 1)]

    async def add_part(self) -> None:
        """Store one more part of one byte."""
        self.parts.append(await self.scratch.send_part(self.upload_id, len(self.parts) + 1, 1))

    async def complete_against(self, headers: Mapping[str, str]) -> tuple[Shown, str, ResponseError | None]:
        """Commit with headers that the store should refuse, and return what it did. An open upload is left."""
        try:
            await self.scratch.complete(self.upload_id, self.parts, headers)
        except UploadNotFoundError as error:
            await self._begin_again()
            return "unclear", describe_refusal(error), error
        except ResponseError as error:
            is_failure = error.status >= 500 and error.status != 501
            return "unclear" if is_failure else "refused", describe_refusal(error), error
        await self._begin_again()
        return "ignored", "", None


async def _judge_size(small: _SmallUpload, provider: Provider) -> Finding:
    ability = Ability(
        "size at Complete",
        "Complete refuses an upload whose size differs from x-amz-mp-object-size",
        "Complete ignores x-amz-mp-object-size",
        "do nothing: aios3 compares the sizes of the parts itself",
        "x-amz-mp-object-size",
        True if provider.checks_object_size else None,
        "checks_object_size",
    )
    shown, detail, error = await small.complete_against({"x-amz-mp-object-size": "7"})
    if shown == "refused" and error is not None and error.status != 501:
        shown = "obeyed"
    finding = ability.judge(shown, detail)
    return Finding(finding.subject, "ok", finding.text) if shown == "ignored" and not ability.relies else finding


async def _judge_condition(small: _SmallUpload, provider: Provider) -> Finding:
    ability = Ability(
        "If-None-Match of Complete",
        "Complete with If-None-Match never replaces an object",
        "Complete ignores If-None-Match, so the upload that ends last replaces the object",
        "write each key once, or take a lock in another system",
        "If-None-Match",
        provider.conditional_complete,
        "conditional_complete",
    )
    shown, detail, error = await small.complete_against({"if-none-match": "*"})
    if isinstance(error, PreconditionFailedError | ConflictError):
        shown = "obeyed"
    return ability.judge(shown, detail)


async def _check_small_parts(small: _SmallUpload, provider: Provider, report: Report) -> bool:
    """Find out about ListParts and the minimum size of a part, and return whether there is one."""
    try:
        await small.add_part()
    except UploadNotFoundError:  # the refused Complete has ended it
        await small._begin_again()
        await small.add_part()
    report(await _judge_list_parts(small))
    shown, detail, _ = await small.complete_against({})
    if shown == "unclear":
        report(Finding("minimum part", "warning", f"the examination could not find this out: {detail}"))
        return True
    if shown == "ignored":
        report(Finding("minimum part", "ok", "the store accepts parts of any size"))
        return False
    text = f"the store refuses small parts, except the last one ({detail})"
    report(Finding("minimum part", "ok", text))
    return True


async def _judge_list_parts(small: _SmallUpload) -> Finding:
    operation = ListParts(small.scratch.bucket, small.scratch.key, small.upload_id)
    advice = (
        "give the keys s3:ListMultipartUploadParts: without it aios3 can neither resume an upload nor prove its abort"
    )
    try:
        page = await small.scratch.client.run(operation)
    except ResponseError as error:
        return Finding("ListParts", "warning", f"the store refuses to list parts ({describe_refusal(error)})", advice)
    if [(part.number, part.size) for part in page.parts] == [(1, 1), (2, 1)]:
        return Finding("ListParts", "ok", "the store lists the stored parts")
    text = f"the store lists {len(page.parts)} of the 2 stored parts, or wrong sizes"
    return Finding("ListParts", "warning", text, "do not resume uploads on this store")


async def _judge_unequal_parts(scratch: Scratch, provider: Provider, *, has_minimum: bool) -> Finding:
    least = provider.min_part_size if has_minimum else 1
    try:
        upload_id = await scratch.create()
        parts = [await scratch.send_part(upload_id, n, size) for n, size in enumerate((least + 1, least, 1), 1)]
        await scratch.complete(upload_id, parts)
    except ResponseError as error:
        return _refused_parts(error, provider, least)
    advice = "with a Provider of equal_parts=False, parts can grow" if provider.equal_parts else ""
    return Finding("unequal parts", "ok", "the store accepts parts of different sizes", advice)


def _refused_parts(error: ResponseError, provider: Provider, least: int) -> Finding:
    refusal = describe_refusal(error)
    if provider.equal_parts:
        text = f"the store accepts only parts of one size ({refusal}), and aios3 sends such parts"
        return Finding("unequal parts", "ok", text)
    text = (
        f"the store refuses parts of different sizes ({refusal}), although only the last is shorter than {least} bytes"
    )
    return Finding("unequal parts", "problem", text, "choose the right --provider, or pass --part-growth fixed")
