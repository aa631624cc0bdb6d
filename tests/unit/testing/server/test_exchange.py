"""Every kind of fault, as a client sees it on the wire."""

from __future__ import annotations

import asyncio

import pytest

from aios3.testing import ALL_FAULT_KINDS, Fault, FaultKind, S3Server

BODY = bytes(range(256)) * 64


async def test_answer_reads_the_body_and_does_nothing(serve):
    server, client = await serve()
    fault = server.faults.add(Fault("answer", "PutObject", headers=(("Retry-After", "1"),)))
    answer = await client.request("PUT", "/bucket/key", body=BODY)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SlowDown", "1")
    assert not server.objects
    request = server.requests[0]
    assert (request.body, request.body_received, request.fault, request.status) == (BODY, len(BODY), fault, 503)
    assert (await client.request("PUT", "/bucket/key", body=BODY)).status == 200
    assert server.requests[1].fault is None


async def expect_reset(client) -> bytes:
    """Read up to a reset, and return what came before it."""
    received = b""
    try:
        while piece := await client.reader.read(1 << 16):
            received += piece
    except ConnectionResetError:
        return received
    pytest.fail("the connection was closed in good order")


async def test_drop_before_resets_after_the_head(serve):
    server, client = await serve()
    server.faults.add(Fault("drop_before"))
    await client.send(client.head("PUT", "/bucket/key", length=len(BODY)))
    assert await expect_reset(client) == b""
    assert server.requests[0].status is None
    assert not server.objects


@pytest.mark.parametrize("after", [0, 1, 5000, len(BODY)])
@pytest.mark.parametrize("together", [True, False])
async def test_drop_mid_body_reads_exactly_so_many_bytes(serve, after: int, together: bool):
    server, client = await serve()
    server.faults.add(Fault("drop_mid_body", "PutObject", after_bytes=after))
    head = client.head("PUT", "/bucket/key", body=BODY)
    await (client.send(head + BODY) if together else client.send(head, BODY))
    assert await expect_reset(client) == b""
    await server.wait_for(lambda server: not server.open_connections)
    request = server.requests[0]
    assert (request.body_received, request.body) == (after, BODY[:after])
    assert not server.objects


async def test_drop_after_loses_only_the_answer(serve):
    server, client = await serve()
    server.faults.add(Fault("drop_after"))
    await client.send(client.head("PUT", "/bucket/key", body=BODY), BODY)
    assert await expect_reset(client) == b""
    assert server.objects["bucket", "key"].body == BODY
    assert server.requests[0].status is None


async def test_drop_mid_answer_sends_half(serve):
    server, client = await serve()
    await client.request("PUT", "/bucket/key", body=BODY)
    server.faults.add(Fault("drop_mid_answer"))
    await client.send(client.head("GET", "/bucket/key"))
    head, _, body = (await client.read_rest()).partition(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(BODY) in head + b"\r\n"
    assert body == BODY[: len(BODY) // 2]
    assert server.requests[-1].status == 200


async def test_stall_before_reads_nothing_until_the_client_closes(serve):
    server, client = await serve()
    server.faults.add(Fault("stall_before"))
    await client.send(client.head("PUT", "/bucket/key", length=len(BODY)))
    await server.wait_for(lambda server: server.requests_in_progress)
    await client.send(BODY)
    client.abort()
    await server.wait_for(lambda server: not server.open_connections)
    request = server.requests[0]
    assert (request.body_received, request.status, server.requests_in_progress) == (0, None, 0)
    assert not server.objects


async def test_stall_after_processes_and_is_silent(serve):
    server, client = await serve()
    server.faults.add(Fault("stall_after"))
    await client.send(client.head("PUT", "/bucket/key", body=BODY), BODY)
    await server.wait_for(lambda server: server.objects)
    assert (server.requests_in_progress, server.requests[0].status) == (1, None)
    client.abort()
    await server.wait_for(lambda server: not server.requests_in_progress)


async def test_error_in_200_is_an_error_document_in_a_success(serve):
    server, client = await serve()
    upload_id = await client.create()
    etag = await client.upload_part(upload_id, 1, BODY)
    server.faults.add(Fault("error_in_200", "CompleteMultipartUpload", code="InternalError"))
    answer = await client.complete(upload_id, [(1, etag)])
    assert (answer.status, answer.code) == (200, "InternalError")
    assert len(server.open_uploads) == 1
    assert not server.objects


@pytest.mark.parametrize("piece", [0, 100])
async def test_slow_read_takes_a_piece_per_turn(serve, piece: int):
    server, client = await serve()
    server.faults.add(Fault("slow_read", after_bytes=piece))
    await client.send(client.head("PUT", "/bucket/key", body=BODY))
    await server.wait_for(lambda server: server.requests)
    seen = []
    watching = asyncio.create_task(server.wait_for(lambda s: seen.append(s.requests[0].body_received) or s.objects))
    await client.send(BODY)
    assert (await client.read_answer()).status == 200
    await watching
    steps = [after - before for before, after in zip(seen, seen[1:], strict=False)]
    assert 0 < max(steps) <= (piece or 4096)
    assert server.objects["bucket", "key"].body == BODY


async def test_no_etag_leaves_out_one_header(serve):
    server, client = await serve()
    upload_id = await client.create()
    server.faults.add(Fault("no_etag", "UploadPart", part_number=1))
    answer = await client.request("PUT", f"/bucket/key?partNumber=1&uploadId={upload_id}", body=BODY)
    assert answer.status == 200
    assert "etag" not in answer.headers
    assert server.open_uploads[0].parts[1].body == BODY


@pytest.mark.parametrize("after", [0, 1000])
async def test_early_answer_comes_while_the_body_is_sent(serve, after: int):
    server, client = await serve()
    server.faults.add(Fault("early_answer", status=403, code="AccessDenied", after_bytes=after))
    head = client.head("PUT", "/bucket/key", {"Expect": "100-continue"} if not after else {}, length=len(BODY))
    await client.send(head, BODY[:2000])
    answer = await client.read_answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (403, "AccessDenied", "close")
    assert await client.read_rest() == b""
    assert server.open_connections == 1
    await client.send(BODY[2000:])
    await server.wait_for(lambda server: not server.open_connections)
    assert server.requests[0].body_received == after
    assert not server.objects


async def test_raw_sends_any_bytes(serve):
    server, client = await serve()
    server.faults.add(Fault("raw", body=b"SSH-2.0-surprise\r\n"))
    await client.send(client.head("GET", "/bucket/key"))
    assert await client.read_rest() == b"SSH-2.0-surprise\r\n"
    assert server.requests[0].status is None


@pytest.mark.parametrize("body", [b"<html/>", None])
async def test_garbage_200_is_a_success_of_nothing(serve, body: bytes | None):
    server, client = await serve()
    server.faults.add(Fault("garbage_200", body=body))
    answer = await client.request("POST", "/bucket/key?uploads=")
    assert (answer.status, answer.body) == (200, body or b"")
    assert not server.open_uploads


async def test_whitespace_200_keeps_a_complete_alive(serve):
    server, client = await serve()
    upload_id = await client.create()
    etag = await client.upload_part(upload_id, 1, BODY)
    server.faults.add(Fault("whitespace_200", "CompleteMultipartUpload", times=2))
    server.hold("CompleteMultipartUpload")
    completing = asyncio.create_task(client.complete(upload_id, [(1, etag)]))
    await server.wait_for(lambda server: server.requests[-1].status == 200)
    assert not server.objects
    server.release("CompleteMultipartUpload")
    answer = await completing
    assert answer.body.startswith(b" \n")
    assert answer.element("ETag") == server.objects["bucket", "key"].etag.replace('"', "&#34;")
    answer = await client.complete("unknown", [(1, etag)])
    assert (answer.status, answer.code) == (200, "NoSuchUpload")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html/>"), (204, None), (500, b"<Error/>")])
async def test_garbage_after_does_it_and_does_not_say_so(serve, status: int, body: bytes | None):
    server, client = await serve()
    server.faults.add(Fault("garbage_after", status=status, body=body))
    answer = await client.request("PUT", "/bucket/key", body=BODY)
    assert (answer.status, answer.body) == (status, body or b"")
    assert "etag" not in answer.headers
    assert server.objects["bucket", "key"].body == BODY


@pytest.mark.parametrize("kind", ["close_after", "ragged_close", "half_close"])
async def test_an_end_that_the_answer_announces(serve, kind: FaultKind):
    server, client = await serve()
    server.faults.add(Fault(kind))
    answer = await client.request("PUT", "/bucket/key", body=BODY)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await client.read_rest() == b""
    assert server.objects["bucket", "key"].body == BODY
    if kind == "half_close":
        await client.send(client.head("GET", "/bucket/key"))
        client.writer.write_eof()
    await server.wait_for(lambda server: not server.open_connections)
    assert (len(server.requests), server.requests_in_progress) == (1, 0)


async def test_reset_after_comes_behind_a_whole_answer(serve):
    server, client = await serve()
    server.faults.add(Fault("reset_after"))
    answer = await client.request("PUT", "/bucket/key", body=BODY)
    assert (answer.status, answer.headers.get("connection")) == (200, None)
    assert await expect_reset(client) == b""
    assert server.objects["bucket", "key"].body == BODY


async def test_unasked_408_comes_behind_a_whole_answer(serve):
    server, client = await serve()
    server.faults.add(Fault("unasked_408"))
    assert (await client.request("PUT", "/bucket/key", body=BODY)).headers.get("connection") is None
    answer = await client.read_answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "RequestTimeout", "close")
    assert await client.read_rest() == b""
    assert len(server.requests) == 1


async def test_an_end_is_none_when_the_connection_has_ended_before(serve):
    server, client = await serve()
    server.faults.add(Fault("reset_after"))
    server.hold("PutObject")
    await client.send(client.head("PUT", "/bucket/key", body=BODY), BODY)
    await server.wait_for(lambda server: server.held_requests)
    server.release("PutObject")
    next(iter(server._connections)).abort()
    assert (await client.read_answer()).status == 200
    assert await client.read_rest() == b""


async def test_a_connection_can_end_after_so_many_requests(serve):
    server, client = await serve(requests_per_connection=3)
    said = [(await client.request("PUT", "/bucket/key", body=BODY)).headers.get("connection") for _ in range(3)]
    assert said == [None, None, "close"]
    assert await client.read_rest() == b""
    assert len(server.requests) == 3


async def test_a_client_that_asks_to_go_on_may(serve):
    """100 Continue comes before the body is sent."""
    _, client = await serve()
    await client.send(client.head("PUT", "/bucket/key", {"Expect": "100-continue"}, BODY))
    assert (await client.read_answer()).status == 100
    await client.send(BODY)
    assert (await client.read_answer()).status == 200


@pytest.mark.parametrize(
    ("path", "signed", "code"),
    [("/bucket/key", False, "AccessDenied"), ("/nowhere/key", True, "NoSuchBucket")],
)
async def test_a_client_that_asks_to_go_on_hears_of_a_refusal_first(serve, path: str, signed: bool, code: str):
    server, client = await serve()
    await client.send(client.head("PUT", path, {"Expect": "100-continue"}, BODY, signed=signed))
    answer = await client.read_answer()
    assert (answer.code, answer.headers["connection"]) == (code, "close")
    assert server.requests[0].body_received == 0


async def test_a_client_that_asks_to_close_is_closed(serve):
    server, client = await serve()
    answer = await client.request("PUT", "/bucket/key", {"Connection": "close"}, BODY)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await client.read_rest() == b""
    await server.wait_for(lambda server: not server.open_connections)


@pytest.mark.parametrize("kind", ALL_FAULT_KINDS)
async def test_every_fault_leaves_a_clean_server(kind: FaultKind):
    async with S3Server() as server:
        server.faults.add(Fault(kind, body=b"x"))
        reader, writer = await asyncio.open_connection(*server.endpoint_url.removeprefix("http://").split(":"))
        writer.write(b"PUT /bucket/key HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100000)
        await server.wait_for(lambda server: server.requests)
    assert (server.open_connections, server.requests_in_progress) == (0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    writer.transport.abort()
    reader.feed_eof()
