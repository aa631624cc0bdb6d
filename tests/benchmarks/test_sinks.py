"""The sinks: what they count is what was sent, whatever the framing, and shapes are kept to."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from benchmarks import sinks
from benchmarks.clients.aios3_driver import client as aios3_client
from benchmarks.clients.floor import client as floor_client
from benchmarks.job import KIB, MIB, Job
from benchmarks.play import play
from benchmarks.rounds import RunFailedError, check
from benchmarks.sinks import Shape, running_sink, sink_program

SINKS = ["python", "compiled"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Compile the sink once."""
    return sink_program(tmp_path_factory.mktemp("sink"))


@pytest.fixture(params=SINKS)
def kind(request, program, monkeypatch):
    """Let sinks be of one kind; the compiled one needs a C compiler and OpenSSL's headers."""
    if request.param == "compiled" and program is None:
        pytest.skip("the sink cannot be compiled here")
    monkeypatch.setattr(sinks, "sink_program", lambda: program if request.param == "compiled" else None)
    return request.param


def job_for(sink, **figures) -> Job:
    """Return a job for a sink."""
    usual = {"client": "x", "prefix": "run-1", "kind": "stream", "uploads": 1, "at_once": 1}
    usual |= {"size": 12 * MIB + 1, "chunk_size": 64 * KIB}
    return Job(endpoint=sink.endpoint, certificate=sink.certificate, **usual | figures)


@pytest.mark.parametrize("protocol", ["http", "https"])
@pytest.mark.parametrize("make", [floor_client, aios3_client])
async def test_what_was_streamed_is_what_is_counted(kind, protocol, make):
    with running_sink(protocol, Shape()) as sink:
        job = job_for(sink)
        async with make(job) as client:
            figures = await play(client, job)
        counted = await asyncio.to_thread(sink.statistics, "/bench/run-1-")
    check(job, counted)
    assert counted["bytes_received"] == job.size
    assert figures["wall_seconds"] >= figures["tail_seconds"] > 0


async def chunks():
    """Yield a body of five bytes in two chunks of HTTP."""
    yield b"he"
    yield b"llo"


AWS_CHUNKED = b"5;chunk-signature=abc\r\nhello\r\n0;chunk-signature=def\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"hello", {}),
        (chunks, {}),
        (AWS_CHUNKED, {"Content-Encoding": "aws-chunked"}),
        (b"hello", {"Expect": "100-continue"}),
    ],
    ids=["declared", "chunked", "aws-chunked", "expect"],
)
async def test_every_framing_is_taken_apart(kind, data, headers):
    with running_sink("http", Shape()) as sink:
        async with aiohttp.ClientSession() as session:
            body = data() if callable(data) else data
            async with session.put(f"{sink.endpoint}/bench/key", data=body, headers=headers) as answer:
                assert answer.status == 200
            async with session.head(f"{sink.endpoint}/bench/key") as answer:
                assert answer.headers["Content-Length"] == "5"


async def test_a_commit_that_does_not_list_what_was_sent_is_refused(kind):
    with running_sink("http", Shape()) as sink:
        target = f"{sink.endpoint}/bench/key"
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{target}?uploads") as answer:
                upload_id = (await answer.text()).partition("<UploadId>")[2].partition("<")[0]
            etags = {}
            for number in (1, 2):
                async with session.put(f"{target}?partNumber={number}&uploadId={upload_id}", data=b"hello") as answer:
                    etags[number] = answer.headers["ETag"]
            listed = f"<Part><PartNumber>1</PartNumber><ETag>{etags[1]}</ETag></Part>"
            document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
            async with session.post(f"{target}?uploadId={upload_id}", data=document) as answer:
                assert answer.status == 400
            async with session.get(f"{target}?uploadId={upload_id}") as answer:
                assert (await answer.text()).count("<Part>") == 2
            async with session.delete(f"{target}?uploadId={upload_id}") as answer:
                assert answer.status == 204
            async with session.delete(f"{target}?uploadId={upload_id}") as answer:
                assert answer.status == 404


@pytest.mark.parametrize(
    "wrong",
    [{"objects": 0}, {"bytes": 19}, {"least": 9}, {"most": 11}, {"open_uploads": 1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_run_whose_bytes_did_not_all_arrive_is_no_result(wrong):
    job = Job("x", "http://x", None, "run-1", "put", uploads=2, at_once=1, size=10, chunk_size=10)
    right = {"objects": 2, "bytes": 20, "least": 10, "most": 10, "open_uploads": 0}
    check(job, right)
    with pytest.raises(RunFailedError):
        check(job, right | wrong)


@pytest.mark.parametrize(
    ("shape", "least"),
    [(Shape(latency=0.05), 0.1), (Shape(rate=5_000_000), 0.17)],
    ids=["a connection and an answer cost a round trip each", "a connection takes its bytes at its rate"],
)
@pytest.mark.parametrize("kind", SINKS[1:], indirect=True)
async def test_the_compiled_sink_keeps_to_its_shape(kind, shape, least):
    with running_sink("http", shape) as sink:
        job = job_for(sink, size=1_000_000)
        async with floor_client(job) as client:
            began = time.perf_counter()
            await play(client, job)
            assert time.perf_counter() - began >= least


@pytest.mark.parametrize("kind", SINKS[1:], indirect=True)
async def test_the_compiled_sink_slows_down_who_asks_too_often(kind):
    with running_sink("http", Shape(requests=0.1)) as sink:
        async with aiohttp.ClientSession() as session:
            statuses = []
            for _ in range(4):
                async with session.put(f"{sink.endpoint}/bench/key", data=b"x") as answer:
                    statuses.append(answer.status)
        counted = await asyncio.to_thread(sink.statistics)
    assert statuses == [200, 503, 503, 503]
    assert counted["throttled"] == 3
