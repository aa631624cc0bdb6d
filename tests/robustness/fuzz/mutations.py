"""Mutations of recorded responses, in ways that have broken readers of XML and of headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Final

from aios3._protocol.wire.messages import Response
from tests.support.places import DATA

VECTORS: Final = DATA / "vectors" / "xml"
CORPUS: Final = {
    case["file"]: (case["operation"], case["http_status"], (VECTORS / case["file"]).read_bytes())
    for case in json.loads((VECTORS / "index.json").read_text(encoding="utf-8"))["files"]
}
ERROR: Final = (VECTORS / "complete-200-error-internal.xml").read_bytes()
STATUSES: Final = (
    200, 200, 200, 201, 204, 206, 299, 100, 101, 301, 307, 400, 401, 403, 404, 407, 409, 412, 416, 429, 500, 503, 999,
)  # fmt: skip
REFERENCES: Final = (
    b"&lol;", b"&#0;", b"&#xD800;", b"&#xDFFF;", b"&#x110000;", b"&#xFFFE;", b"&#99999999999999999999;", b"&amp;",
    b"&", b"&#;", b"&#x;", b"&#x0;", b"%00", b"%ff", b"%", b"]]>", b"<!--", b"<![CDATA[", b"<?x?>", b"\xed\xa0\x80",
)  # fmt: skip
NUMBERS: Final = (
    b"-1", b"9" * 18, b"9" * 19, b"9" * 5000, b"1e9", b"0x10", b"1_0", b" 7 ", "٣".encode(), b"nan", b"", b"00",
)  # fmt: skip
WORDS: Final = (
    "", " ", "0", "-1", "9" * 19, "9" * 5000, "true", '"e"', '"', "W/", "é", "\udcff", "\x00", "\u2028", "nan", "1e400",
    "=?é?B?eA==?=", "=?utf-8?B?/w==?=", "=?utf-8?Q?=ZZ?=", "=?unicode_escape?Q?=5Cd?=", "=?zlib?B?eA==?=", "=?",
    "=?x?Q?" * 50, "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2300",
    "Fri, 99 Zzz 2013 99:99:99 -9999", "0", "((((", "bytes 0-1/2", "bytes 5-1/*", "bytes */9", "eu-west-1", "../..",
    "text/html", "application/json", "x" * 8000,
)  # fmt: skip
HEADERS: Final = (
    "etag", "content-length", "content-type", "content-range", "date", "last-modified", "retry-after", "location",
    "x-amz-retry-after", "x-amz-bucket-region", "x-amz-request-id", "x-amz-id-2", "x-amz-meta-a", "x-amz-meta-",
    "x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-version-id", "x-amz-storage-class", "x-guploader-uploadid",
)  # fmt: skip
ELEMENT: Final = re.compile(rb"<(\w+)[^<>]*>[^<>]*</\1>")

Mutation = Callable[[Random, bytes], bytes]


def _at(random: Random, body: bytes, piece: bytes) -> bytes:
    """Insert a piece into a body."""
    place = random.randint(0, len(body))
    return body[:place] + piece + body[place:]


def _between_tags(random: Random, body: bytes, piece: bytes) -> bytes:
    places = [found.start() for found in re.finditer(rb"<", body)] or [0]
    place = random.choice(places)
    return body[:place] + piece + body[place:]


def _an_element(random: Random, body: bytes, change: Callable[[re.Match[bytes]], bytes]) -> bytes:
    found = list(ELEMENT.finditer(body))
    if not found:
        return body
    one = random.choice(found)
    return body[: one.start()] + change(one) + body[one.end() :]


def flip_bits(random: Random, body: bytes) -> bytes:
    """Change some bits."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 8) if body else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut(random: Random, body: bytes) -> bytes:
    """Keep the beginning, or remove a piece of the middle."""
    start = random.randint(0, len(body))
    return body[:start] + (body[random.randint(start, len(body)) :] if random.random() < 0.5 else b"")


def splice(random: Random, body: bytes) -> bytes:
    """Continue with another response."""
    other = random.choice(list(CORPUS.values()))[2]
    return body[: random.randint(0, len(body))] + other[random.randint(0, len(other)) :]


def repeat_element(random: Random, body: bytes) -> bytes:
    """Repeat an element, a few or very many times."""
    times = random.choice((2, 3, 1000))
    return _an_element(random, body, lambda found: found[0] * times)


def lose_element(random: Random, body: bytes) -> bytes:
    """Remove an element."""
    return _an_element(random, body, lambda found: b"")


def odd_text(random: Random, body: bytes) -> bytes:
    """Replace the text of an element by a number, by text like a number, or by a reference."""
    text = random.choice((*NUMBERS, *REFERENCES))
    return _an_element(random, body, lambda found: b"<%b>%b</%b>" % (found[1], text, found[1]))


def cdata(random: Random, body: bytes) -> bytes:
    """Write text as CDATA, in pieces."""
    return _an_element(random, body, lambda found: b"<%b><![CDATA[a<b]]>&#13;<![CDATA[]]></%b>" % (found[1], found[1]))


def reference(random: Random, body: bytes) -> bytes:
    """Insert an entity or half a piece of syntax anywhere."""
    return _at(random, body, random.choice(REFERENCES))


def namespace(random: Random, body: bytes) -> bytes:
    """Use another namespace, a prefix without a namespace, or a name that ends in a colon."""
    return re.sub(
        rb"<(/?)(\w+)",
        random.choice((rb"<\1x:\2", rb"<\1\2:", rb"<\1:\2", rb"<\1\2")),
        body,
        count=random.choice((0, 1)),
    )


def document_type(random: Random, body: bytes) -> bytes:
    """Add entities that grow, or that come from a file."""
    declared = random.choice(
        (
            b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY lol "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            b'<!DOCTYPE r [<!ENTITY lol SYSTEM "file:///etc/passwd">]>',
            b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
            b"<!DOCTYPE r [<!ATTLIST r a CDATA 'x'>]>",
        )
    )
    return declared + _at(random, body.partition(b"?>")[2] or body, b"&lol;")


def recode(random: Random, body: bytes) -> bytes:
    """Use another encoding than the declared one, or a wrong byte order mark."""
    text = body.decode("utf-8", "replace")
    declared = random.choice(("utf-16", "utf-7", "latin-1", "x-nobody", "UTF-8", "us-ascii", "ebcdic-cp-us"))
    text = re.sub(r'encoding="[^"]*"', f'encoding="{declared}"', text)
    encoded = text.encode(random.choice(("utf-8", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp037")), "replace")
    return random.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) + encoded


def nest(random: Random, body: bytes) -> bytes:
    """Nest elements deeply."""
    depth = random.choice((10, 31, 32, 33, 10_000))
    return b"<a>" * depth + body.partition(b"?>")[2] + b"</a>" * depth


def nuls(random: Random, body: bytes) -> bytes:
    """Insert control characters."""
    return _at(random, body, random.choice((b"\x00", b"\x1b[31m", b"\x00" * 1000, b"\x85", b"\x7f")))


def refuse(random: Random, body: bytes) -> bytes:
    """Insert a refusal before, inside or behind a success."""
    return _between_tags(random, body, re.sub(rb"<\?.*?\?>", b"", ERROR))


def large(random: Random, body: bytes) -> bytes:
    """Insert a megabyte. This is rare, because it takes time."""
    if random.random() < 0.9:
        return body
    piece = random.choice(
        (
            b" " * 2**20,
            b"<!--" + b"-x" * 2**19 + b"-->",
            b"<a b='" + b"x" * 2**20 + b"'/>",
            b"<a/>" * 2**15,
            b"\x00" * 2**20,
        )
    )
    return _between_tags(random, body, piece)


def replace(random: Random, body: bytes) -> bytes:
    """Replace the whole body."""
    return random.choice(
        (b"", b" ", b"null", b"[]", b"<", b"<Error/>", b"<a:/>", b"<Error><Error/></Error>", random.randbytes(40))
    )


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bits, cut, splice, repeat_element, lose_element, odd_text, odd_text, cdata, reference, namespace,
    document_type, recode, nest, nuls, refuse, large, replace,
)  # fmt: skip


def spoilt_answer(random: Random, operation: str) -> Response:
    """Return a recorded response, most often of this operation, after one to four mutations."""
    own = [case for case in CORPUS.values() if case[0] == operation]
    _, status, body = random.choice(own if own and random.random() < 0.7 else list(CORPUS.values()))
    for _ in range(random.randint(1, 4)):
        body = random.choice(MUTATIONS)(random, body)
    if random.random() < 0.5:
        status = random.choice(STATUSES)
    names = random.sample(HEADERS, random.randint(0, 12))
    headers = {name: random.choice(WORDS) for name in names}
    if random.random() < 0.7:
        headers["content-length"] = str(len(body))  # or nothing else in the head would be looked at
    return Response(status, headers, body)
