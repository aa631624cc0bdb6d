"""Conversion of a response to its error: the right class, and a helpful message without secrets."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

from aios3.errors import ResponseError

from .error_classes import error_class
from .error_codes import WRONG_REGION, is_about_time
from .messages import Response, is_redirect
from .region_words import regions_in_words
from .response_headers import host_id, printable, read_http_date, request_id
from .xml_bodies import Element, XmlError, parse_xml, read_time, to_utf8

__all__ = [
    "describe_body",
    "expected_region",
    "expected_regions",
    "read_error",
    "redirect_host",
    "server_time",
]

MAX_MESSAGE: Final = 300
"""Characters of the store's message that an error repeats."""

MAX_ERROR_BYTES: Final = 256 * 1024
"""Bytes of the largest error document that is read. It is parsed for every look-up, and S3's have less than 10 KiB."""

_CREDIBLE_YEARS: Final = range(2000, 2200)
"""Years of a store's clock that are believed. Arithmetic with others could leave the range of `datetime`."""

_NOTHING: Final = Element("")
_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}", re.ASCII)
# x-amz-bucket-region, and what Tencent and Huawei call it.
_REGION_HEADERS: Final = ("-bucket-region", "-bucket-location")
# The host of a URL, or a host alone, as in the Endpoint of a redirect.
_PLACE: Final = re.compile(r"(?:https?://)?([a-z0-9._-]{1,320}(?::[0-9]{1,5})?)(?:[/?#].*)?", re.ASCII | re.DOTALL)
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,200}", re.ASCII)


def read_error(
    response: Response,
    *,
    operation: str,
    bucket: str | None,
    key: str | None,
    upload_id: str | None,
    part_number: int | None,
) -> ResponseError:
    """Return the error of the response, of the subclass for S3's code, or else for the status.

    Never raises, whatever the body. The message repeats at most 300 printable characters
    of the store's message, and never a signature, token or access key.
    """
    document = _error_document(response)
    code = printable(document.text("Code"), 100) or None
    return error_class(operation, response.status, code)(
        _message(response, document, code, operation),
        operation=operation,
        status=response.status,
        code=code,
        request_id=request_id(response.headers, document.text("RequestId")),
        host_id=host_id(response.headers, document.text("HostId")),
        bucket=bucket,
        key=key,
        upload_id=upload_id,
        part_number=part_number,
    )


def expected_region(response: Response) -> str | None:
    """Return the region that the store asks to sign for, or ``None`` if it names no credible one."""
    return next(iter(_named_regions(response, _error_document(response))), None)


def expected_regions(response: Response) -> tuple[str, ...]:
    """Return the regions that the store may ask to sign for. The one that was refused may be among them.

    Many stores name their region in every response, so headers and elements count only if the refusal may be about
    the region. Words of the message count always.
    """
    document = _error_document(response)
    if is_redirect(response) or _is_about_region(document.text("Code")):
        return _named_regions(response, document)
    return _regions_in_words(document)


def redirect_host(response: Response) -> str | None:
    """Return the host that the store asks to use, in lower case, or ``None``. Only a region is read from it."""
    location = response.headers.get("location") if is_redirect(response) else None
    for place in (location, _error_document(response).text("Endpoint")):
        if place and (found := _PLACE.fullmatch(place.strip().lower())):
            return found[1].removesuffix(":443").removesuffix(":80")
    return None


def _regions_in_words(document: Element) -> tuple[str, ...]:
    # The code alone may say that the message is about the region.
    return regions_in_words(f"{document.text('Code') or ''}: {document.text('Message') or ''}")


def _is_about_region(code: str | None) -> bool:
    # A response to HEAD has no code.
    return not code or code in WRONG_REGION or "region" in code.lower()


def _named_regions(response: Response, document: Element) -> tuple[str, ...]:
    headers = [value for name, value in response.headers.items() if name.endswith(_REGION_HEADERS)]
    elements = [document.text(name) or "" for name in ("Region", "BucketRegion", "ExpectedRegion")]
    fields = [value.strip() for value in (*headers, *elements)]
    credible = [value for value in fields if _REGION.fullmatch(value)]
    return (*credible, *_regions_in_words(document))


def server_time(response: Response) -> datetime | None:
    """Return the store's time at the response in UTC, or ``None`` if the response has no credible time."""
    time = read_http_date(response.headers.get("date")) or read_time(_error_document(response).text("ServerTime"))
    return time if time is not None and time.year in _CREDIBLE_YEARS else None


def describe_body(response: Response) -> str:
    """Return the kind of a body that is not S3's, for messages."""
    body = response.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    content_type = response.headers.get("content-type", "").lower()
    start = body[:200].lower()
    if not body:
        return "an empty body"
    if start.startswith((b"<!doctype html", b"<html")) or "text/html" in content_type:
        return "an HTML page"
    if start.startswith((b"{", b"[")) or "json" in content_type:
        return "a JSON document"
    if start.startswith(b"<"):
        return "XML that cannot be read"
    return f"something that is not XML, beginning {printable(body[:400].decode(errors='replace'), 60)!r}"


def _error_document(response: Response) -> Element:
    """Return the Error element, even from the wrapper of other AWS services; an empty element if there is none."""
    sent = _unpacked(response)
    if len(sent.strip()) > MAX_ERROR_BYTES:
        return _NOTHING
    body = to_utf8(sent, is_lossy=True).strip()
    if b"Error" not in body:
        return _NOTHING
    try:
        root = parse_xml(body)
    except XmlError:
        return _NOTHING
    if root.name == "Error":
        return root
    inner = root.child("Error")
    return _NOTHING if inner is None else Element("Error", "", {**root.children, **inner.children})


def _unpacked(response: Response) -> bytes:
    """Return the body, unpacked if the store packed it because the request accepts packed objects."""
    if response.headers.get("content-encoding", "").strip().lower() != "gzip":
        return response.body
    try:
        return zlib.decompressobj(wbits=31).decompress(response.body, MAX_ERROR_BYTES)
    except zlib.error:
        return response.body


_HEAD_WORDS: Final = {"HeadBucket": "there is no such bucket", "HeadObject": "there is no such object"}
_HEAD_DENIED: Final = "these credentials are wrong, or may not see it; a response to HEAD does not say which"


def _message(response: Response, document: Element, code: str | None, operation: str) -> str:
    if code in _OWN_WORDS:
        return _OWN_WORDS[code](response)
    if response.status in _WORDS_BY_STATUS:
        return _WORDS_BY_STATUS[response.status](response)
    if document is not _NOTHING:
        return printable(document.text("Message"), MAX_MESSAGE) or "the store gave no message"
    if response.body:
        came = describe_body(response)
        return f"{came} instead of S3's XML: is this the endpoint of an S3 store, or is a proxy in between?"
    if operation in _HEAD_WORDS and response.status in (403, 404):
        return _HEAD_WORDS[operation] if response.status == 404 else _HEAD_DENIED
    # After a HEAD, a wrong region and an expired token both give a 400 without a body.
    region = expected_region(response) if response.status == 400 else None
    hint = f"; is the region {region!r}, and the session token (if any) still good?" if region else ""
    return f"the response has no body that gives a reason{hint}"


def _redirect_words(response: Response) -> str:
    region = expected_region(response)
    if region is not None:
        return f"the bucket is in region {region!r}: use that region and its endpoint"
    place = (_error_document(response).text("Endpoint") or "").strip()
    if _HOST.fullmatch(place):
        return f"the bucket must be reached through the endpoint {place!r}"
    return "the store redirects elsewhere and names no region: check the endpoint and the region"


def _region_words(response: Response) -> str:
    region = expected_region(response)
    if region is not None:
        return f"the request was signed for another region than {region!r}, which the store expects"
    words = printable(_error_document(response).text("Message"), MAX_MESSAGE)
    return words or "the store cannot read the signature: check the region"


def _signature_words(response: Response) -> str:
    words = printable(_error_document(response).text("Message"), MAX_MESSAGE)
    if is_about_time("SignatureDoesNotMatch", words):
        return f"{words}; is this machine's clock right?"
    # The store's message may repeat the canonical request and the access key.
    return "the signature is not the one that the store computes: the secret access key, or the region, is wrong"


def _unknown_key_words(_response: Response) -> str:
    return "the store does not know the access key id"


def _clock_words(response: Response) -> str:
    time = read_time(_error_document(response).text("ServerTime")) or server_time(response)
    shown = f" ({time:%Y-%m-%dT%H:%M:%SZ} there)" if time else ""
    return f"this machine's clock is too far from the store's{shown}: set the clock"


_WORDS_BY_STATUS: Final[dict[int, Callable[[Response], str]]] = {
    **dict.fromkeys((301, 302, 307, 308), _redirect_words),
    407: lambda _response: "the proxy wants another user and password",
}

_OWN_WORDS: Final[dict[str | None, Callable[[Response], str]]] = {
    "SignatureDoesNotMatch": _signature_words,
    "InvalidAccessKeyId": _unknown_key_words,
    "AuthorizationHeaderMalformed": _region_words,
    "PermanentRedirect": _redirect_words,
    "TemporaryRedirect": _redirect_words,
    "RequestTimeTooSkewed": _clock_words,
}
