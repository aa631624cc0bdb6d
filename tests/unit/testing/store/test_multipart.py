"""Multipart uploads, by S3's rules."""

from __future__ import annotations

import hashlib

import pytest

from aios3.providers import Provider

SMALL = Provider("small", min_part_size=4, max_part_size=100, max_parts=5)
EQUAL = Provider("equal", min_part_size=4, max_part_size=100, max_parts=5, equal_parts=True)


async def upload(client, *bodies: bytes) -> tuple[str, list[tuple[int, str]]]:
    upload_id = await client.create()
    return upload_id, [
        (number, await client.upload_part(upload_id, number, body)) for number, body in enumerate(bodies, 1)
    ]


async def test_parts_become_an_object(serve):
    server, client = await serve(provider=SMALL)
    upload_id = await client.create(headers={"content-type": "text/plain", "x-amz-meta-a": "b"})
    assert [(one.bucket, one.key) for one in server.open_uploads] == [("bucket", "key")]
    etags = {number: await client.upload_part(upload_id, number, body) for number, body in ((2, b"cd"), (1, b"aabb"))}
    assert sorted(server.open_uploads[0].parts) == [1, 2]
    answer = await client.complete(upload_id, [(1, etags[1]), (2, etags[2])])
    digests = hashlib.md5(b"aabb").digest() + hashlib.md5(b"cd").digest()
    etag = f'"{hashlib.md5(digests).hexdigest()}-2"'
    assert (answer.status, answer.element("ETag")) == (200, etag.replace('"', "&#34;"))
    assert (answer.element("Bucket"), answer.element("Key")) == ("bucket", "key")
    assert answer.element("Location") == f"{server.endpoint_url}/bucket/key"
    stored = server.objects["bucket", "key"]
    assert (stored.body, stored.etag, stored.size) == (b"aabbcd", etag, 6)
    assert [(part.number, part.body, part.etag) for part in stored.parts] == [
        (1, b"aabb", etags[1]),
        (2, b"cd", etags[2]),
    ]
    assert not server.open_uploads
    found = await client.request("HEAD", "/bucket/key")
    assert (found.headers["content-type"], found.headers["x-amz-meta-a"], found.headers["etag"]) == (
        "text/plain",
        "b",
        etag,
    )


async def test_the_same_number_replaces_the_part(serve):
    server, client = await serve(provider=SMALL)
    upload_id, [(_, old)] = await upload(client, b"old")
    new = await client.upload_part(upload_id, 1, b"new")
    assert (await client.complete(upload_id, [(1, old)])).code == "InvalidPart"
    assert (await client.complete(upload_id, [(1, new)])).status == 200
    assert server.objects["bucket", "key"].body == b"new"


async def test_an_upload_is_known_by_id_and_key(serve):
    _, client = await serve(provider=SMALL)
    upload_id = await client.create()
    answers = [
        await client.request("PUT", f"/bucket/other?partNumber=1&uploadId={upload_id}", body=b"x"),
        await client.request("PUT", "/bucket/key?partNumber=1&uploadId=none", body=b"x"),
        await client.request("DELETE", f"/bucket/other?uploadId={upload_id}"),
        await client.request("GET", f"/bucket/key?uploadId={upload_id.replace('%2B', '+')}", signed=True),
    ]
    assert [answer.code for answer in answers] == ["NoSuchUpload"] * 3 + ["SignatureDoesNotMatch"]


async def test_an_aborted_upload_is_gone(serve):
    """204, then 404; its parts cannot be completed, and new ones do not land."""
    server, client = await serve(provider=SMALL)
    upload_id, parts = await upload(client, b"x")
    assert (await client.request("DELETE", f"/bucket/key?uploadId={upload_id}")).status == 204
    again = await client.request("DELETE", f"/bucket/key?uploadId={upload_id}")
    late = await client.request("PUT", f"/bucket/key?partNumber=1&uploadId={upload_id}", body=b"x")
    completed = await client.complete(upload_id, parts)
    assert [(answer.status, answer.code) for answer in (again, late, completed)] == [(404, "NoSuchUpload")] * 3
    assert not server.open_uploads
    assert not server.objects


@pytest.mark.parametrize(
    ("bodies", "change", "code"),
    [
        ([b"aaaa", b"b"], lambda parts: [], "MalformedXML"),
        ([b"aaaa", b"b"], lambda parts: parts[::-1], "InvalidPartOrder"),
        ([b"aaaa", b"b"], lambda parts: [parts[0], parts[0]], "InvalidPartOrder"),
        ([b"aaaa", b"b"], lambda parts: [*parts, (3, "e")], "InvalidPart"),
        ([b"aaaa", b"b"], lambda parts: [parts[0], (2, parts[0][1])], "InvalidPart"),
        ([b"aaa", b"bbbb"], lambda parts: parts, "EntityTooSmall"),
    ],
)
async def test_a_list_that_breaks_a_rule_changes_nothing(serve, bodies: list[bytes], change, code: str):
    server, client = await serve(provider=SMALL)
    upload_id, parts = await upload(client, *bodies)
    answer = await client.complete(upload_id, change(parts))
    assert (answer.status, answer.code) == (400, code)
    assert len(server.open_uploads) == 1
    assert not server.objects


@pytest.mark.parametrize(
    ("bodies", "fits"),
    [
        ([b"aaaa", b"bbbb", b"cc"], True),
        ([b"aaaa", b"bbbb", b"cccc"], True),
        ([b"aaaaaaaa"], True),
        ([b"aaaa", b"bbbbb", b"cc"], False),
        ([b"aaaa", b"bbbb", b"ccccc"], False),
    ],
)
async def test_some_stores_want_equal_parts(serve, bodies: list[bytes], fits: bool):
    _, client = await serve(provider=EQUAL)
    answer = await client.complete(*await upload(client, *bodies))
    assert answer.code == (None if fits else "InvalidPart")


async def test_a_repeated_complete_gets_the_same_answer(serve):
    server, client = await serve(provider=SMALL)
    upload_id, parts = await upload(client, b"aaaa", b"b")
    first = await client.complete(upload_id, parts)
    again = await client.complete(upload_id, [(number, etag.strip('"')) for number, etag in parts])
    assert (again.status, again.body) == (200, first.body)
    assert (await client.complete(upload_id, parts[:1])).code == "NoSuchUpload"
    assert len(server.objects) == 1


async def test_some_stores_forget_what_was_completed(serve):
    _, client = await serve(provider=SMALL, forget_completed=True)
    upload_id, parts = await upload(client, b"a")
    assert (await client.complete(upload_id, parts)).status == 200
    answer = await client.complete(upload_id, parts)
    assert (answer.status, answer.code) == (404, "NoSuchUpload")


async def test_a_complete_can_insist_on_a_free_key(serve):
    """412, and the upload stays open."""
    server, client = await serve(provider=SMALL)
    await client.request("PUT", "/bucket/key", body=b"first")
    upload_id, parts = await upload(client, b"second")
    assert (await client.complete(upload_id, parts, {"If-None-Match": "*"})).status == 412
    assert server.objects["bucket", "key"].body == b"first"
    assert (await client.complete(upload_id, parts)).status == 200
    assert server.objects["bucket", "key"].body == b"second"


async def test_the_parts_of_a_locked_object_need_a_digest(serve):
    _, client = await serve()
    upload_id = await client.create(headers={"x-amz-object-lock-mode": "GOVERNANCE"})
    target = f"/bucket/key?partNumber=1&uploadId={upload_id}"
    refused = await client.request("PUT", target, {}, b"x")
    assert (refused.status, refused.code) == (400, "InvalidRequest")
    assert b"required for Put Part requests with Object Lock parameters" in refused.body
    etag = await client.upload_part(upload_id, 1, b"x", {"Content-MD5": "ndTkYSaMgDT1yFZOFVxnpg=="})
    assert (await client.complete(upload_id, [(1, etag)])).status == 200


@pytest.mark.parametrize("number", ["0", "6", "x", "-1"])
async def test_part_numbers_have_limits(serve, number: str):
    _, client = await serve(provider=SMALL)
    upload_id = await client.create()
    answer = await client.request("PUT", f"/bucket/key?partNumber={number}&uploadId={upload_id}", body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert b"between 1 and 5" in answer.body


async def test_the_whole_size_can_be_declared(serve):
    _, client = await serve(provider=SMALL)
    upload_id, parts = await upload(client, b"aaaa", b"b")
    assert (await client.complete(upload_id, parts, {"x-amz-mp-object-size": "6"})).code == "InvalidRequest"
    assert (await client.complete(upload_id, parts, {"x-amz-mp-object-size": "5"})).status == 200


@pytest.mark.parametrize(
    ("created", "sent", "code"),
    [("a", "a", None), ("a", "b", "InvalidRequest"), ("a", None, "InvalidRequest"), (None, "a", "InvalidRequest")],
)
async def test_every_part_has_the_customer_key_of_its_upload(serve, created, sent, code):
    _, client = await serve()
    name = "x-amz-server-side-encryption-customer-key-md5"
    upload_id = await client.create(headers={name: created} if created else {})
    headers = {name: sent} if sent else {}
    answer = await client.request("PUT", f"/bucket/key?partNumber=1&uploadId={upload_id}", headers, b"x")
    assert answer.code == code
    await client.request("PUT", "/bucket/source", body=b"x")
    target = f"/bucket/key?partNumber=2&uploadId={upload_id}"
    assert (await client.request("PUT", target, {"x-amz-copy-source": "bucket/source", **headers})).code == code
