"""OpenTelemetry over the wire: the tree of spans, their attributes, the metrics, and no span twice."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Iterator, Set
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aios3 import ObjectNotFoundError, ObservedOperation, RetryPolicy, TransferConfig
from aios3.otel import OpenTelemetryObserver
from aios3.testing import Fault, S3Server
from tests.conftest import PART
from tests.support.documents import page_block

CONTENT = bytes(2 * PART + 5)
PLACE = {"aws.s3.bucket", "aws.s3.key"}
"""Attributes that every span has, so the page shows them once."""
RESENT = "http.request.resend_count"
"""Attribute that the page shows last, because few spans have it."""


class Telemetry:
    """Providers that keep everything in memory, and an observer that uses them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.observer = OpenTelemetryObserver(self.provider, self.meters)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Return the ended spans in the order of their begin."""
        found = sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        return [span for span in found if name in (None, span.name)]

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        metrics = [metric for of in data.resource_metrics for scope in of.scope_metrics for metric in scope.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


def _authorizations(server: S3Server) -> list[str]:
    return [value for request in server.requests for name, value in request.headers if name.lower() == "authorization"]


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def aiohttp_spans(telemetry: Telemetry) -> Iterator[None]:
    """Make the instrumentation of aiohttp active, as an application that uses it does."""
    AioHttpClientInstrumentor().instrument(tracer_provider=telemetry.provider)
    yield
    AioHttpClientInstrumentor().uninstrument()


async def test_an_upload_is_one_span_below_the_callers_and_above_its_operations(server, make_driver, telemetry):
    driver = make_driver(observer=telemetry.observer, transfer=TransferConfig(part_size=PART, concurrency=1))
    server.faults.add(Fault("answer", "UploadPart", part_number=2, status=503, code="SlowDown"))
    with telemetry.provider.get_tracer("test").start_as_current_span("handler"):
        receipt = await driver.upload_object_via_stream(CONTENT, "bucket", "a key")
    handler, upload = telemetry.span("handler"), telemetry.span("aios3.upload")
    assert upload.parent == handler.context
    assert (upload.kind, upload.status.status_code) == (trace.SpanKind.INTERNAL, trace.StatusCode.UNSET)
    assert {"aws.s3.bucket": "bucket", "aws.s3.key": "a key", "aios3.upload.retries": 1}.items() <= dict(
        upload.attributes or {}
    ).items()
    operations = [span for span in telemetry.spans() if span.name.startswith("S3.")]
    assert [span.name for span in operations][:4] == [
        *("S3.CreateMultipartUpload", "S3.UploadPart", "S3.UploadPart", "S3.UploadPart"),
    ]
    assert {span.parent.span_id for span in operations if span.parent} == {upload.context.span_id}
    assert {span.kind for span in operations} == {trace.SpanKind.CLIENT}
    second = operations[2]
    assert dict(second.attributes or {}) | {"aws.request_id": None} == {
        "rpc.system.name": "aws-api",
        "rpc.method": "UploadPart",
        "http.request.method": "PUT",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "cloud.region": server.region,
        "aws.s3.bucket": "bucket",
        "aws.s3.key": "a key",
        "aws.s3.upload_id": receipt.upload_id,
        "aws.s3.part_number": 2,
        "aws.request_id": None,
        "aios3.body.size": PART,
        "server.address": "127.0.0.1",
        "server.port": int(server.endpoint_url.rpartition(":")[2]),
    }
    assert [event.name for event in second.events] == ["aios3.throttling", "aios3.retry"]
    assert second.events[1].attributes["error.type"] == "SlowDown"


def _tree(spans: list[ReadableSpan], shown: Set[str]) -> Iterator[str]:
    """Yield the lines of a trace, with the attributes of the page, as the page shows them."""
    depths: dict[int, int] = {}
    for span in spans:
        depth = depths[span.context.span_id] = 0 if span.parent is None else depths[span.parent.span_id] + 1
        names = shown - PLACE if span.kind is trace.SpanKind.CLIENT else shown
        values = {name: value for name, value in sorted((span.attributes or {}).items()) if name in names}
        words = " ".join(
            f"{name}={value}" for name, value in sorted(values.items(), key=lambda item: item[0] == RESENT)
        )
        yield f"{'  ' * depth + span.name:<33}{span.kind.name:<10}{words}".rstrip()
        if span.events:
            types = [(event.name, (event.attributes or {}).get("error.type")) for event in span.events]
            yield f"{'':<43}events: " + ", ".join(f"{name} (error.type={of})" if of else name for name, of in types)


async def test_the_trace_of_the_page_is_that_of_the_exporter(server, make_driver, telemetry, aiohttp_spans):
    printed = page_block("docs/observing.md", "S3.CompleteMultipartUpload", "text").text
    server.faults.add(Fault("answer", "UploadPart", part_number=2, status=503, code="SlowDown"))
    driver = make_driver(observer=telemetry.observer, transfer=TransferConfig(part_size=PART, concurrency=1))
    await driver.create_container("videos")
    made = len(telemetry.spans())
    with telemetry.provider.get_tracer("test").start_as_current_span("handler"):
        await driver.upload_object_via_stream(CONTENT, "videos", "cat.mp4")
    shown = set(re.findall(r"([a-z0-9_.]+)=", printed)) - {"error.type"}
    assert "\n".join(_tree(telemetry.spans()[made:], shown)) == printed.rstrip()


async def test_the_span_of_the_caller_is_current_again_after_a_request(make_driver, telemetry):
    driver = make_driver(observer=telemetry.observer)
    with telemetry.provider.get_tracer("test").start_as_current_span("handler") as handler:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert trace.get_current_span() is handler


@pytest.mark.parametrize("way", ["stream", "open_upload", "download"])
async def test_the_instrumentation_of_aiohttp_makes_no_span_twice(server, make_driver, telemetry, aiohttp_spans, way):
    """The requests are accepted, so nothing was added after the signature that it covers."""
    driver = make_driver(observer=telemetry.observer)
    if way == "open_upload":
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(CONTENT)
    else:
        await driver.upload_object_via_stream(CONTENT, "bucket", "key")
    if way == "download":
        assert b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", "key")]) == CONTENT
    names = [span.name for span in telemetry.spans() if span.name != "aios3.upload"]
    assert sorted(names) == sorted(f"S3.{request.operation}" for request in server.requests)
    assert "traceparent" not in {name.lower() for request in server.requests for name, _ in request.headers}


async def test_without_the_observer_the_instrumentation_of_aiohttp_goes_on(
    server, make_driver, telemetry, aiohttp_spans
):
    await make_driver().upload_object_via_stream(b"x", "bucket", "key")
    assert [span.name for span in telemetry.spans()] == ["PUT"]


async def test_no_attribute_shows_a_signature(server, make_driver, telemetry, aiohttp_spans):
    driver = make_driver(observer=telemetry.observer)
    await driver.upload_object_via_stream(CONTENT, "bucket", "key", metadata={"private": "very-secret"})
    assert all(signatures := [value.rpartition("Signature=")[2] for value in _authorizations(server)])
    shown = " ".join(span.to_json() for span in telemetry.spans())
    for secret in ("AWS4", "very-secret", server.credentials.secret_access_key, *signatures):
        assert secret not in shown


async def test_errors_and_cancellations_mark_their_spans(server, make_driver, telemetry):
    driver = make_driver(observer=telemetry.observer)
    with pytest.raises(ObjectNotFoundError):
        await driver.get_object("bucket", "missing")
    server.faults.add(Fault("stall_before", "PutObject"))
    task = asyncio.create_task(driver.upload_object_via_stream(b"x", "bucket", "key"))
    while not [request for request in server.requests if request.operation == "PutObject"]:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    types = {span.name: (span.attributes or {}).get("error.type") for span in telemetry.spans()}
    assert types == {
        "S3.HeadObject": "ObjectNotFoundError",
        "S3.PutObject": "CancelledError",
        "aios3.upload": "CancelledError",
    }
    assert {span.status.status_code for span in telemetry.spans()} == {trace.StatusCode.ERROR}
    assert telemetry.observer._uploads == telemetry.observer._operations == telemetry.observer._tokens == {}


async def test_metrics_count_parts_waits_operations_and_activities(server, make_driver, telemetry):
    server.faults.add(Fault("answer", "UploadPart", status=500, code="InternalError"))
    driver = make_driver(observer=telemetry.observer)
    receipt = await driver.upload_object_via_stream(CONTENT, "bucket", "key")
    (parts,) = telemetry.points("aios3.part.duration")
    (size,) = telemetry.points("aios3.upload.size")
    (retries,) = telemetry.points("aios3.retries")
    assert (parts.count, size.value, retries.value) == (3, len(CONTENT), 1)
    assert dict(retries.attributes) == {"error.type": "InternalError"}
    activities = {
        point.attributes["aios3.activity"]: point.sum for point in telemetry.points("aios3.upload.activity.duration")
    }
    assert set(activities) == set(type(receipt.timing).__slots__)
    (upload,) = telemetry.points("aios3.upload.duration")
    assert upload.sum == pytest.approx(sum(activities.values()))
    operations = {point.attributes["rpc.method"]: point.count for point in telemetry.points("rpc.client.call.duration")}
    assert operations["UploadPart"] == 3


async def test_a_correction_before_a_retry_is_in_its_event(server, make_driver, telemetry):
    server.faults.add(Fault("answer", "PutObject", status=403, code="RequestTimeTooSkewed"))
    await make_driver(observer=telemetry.observer).upload_object_via_stream(b"x", "bucket", "key")
    (event,) = telemetry.span("S3.PutObject").events
    assert dict(event.attributes or {}) == {
        "error.type": "RequestTimeTooSkewed",
        "aios3.retry.delay": 0.0,
        "aios3.retry.repair": "clock",
    }


async def test_waits_are_measured_by_their_reason(server, make_driver, telemetry):
    server.faults.add(Fault("answer", "PutObject", status=500, code="InternalError"))
    driver = make_driver(observer=telemetry.observer, retry=RetryPolicy(base_delay=0.002))
    driver._clock = dataclasses.replace(driver._clock, random=lambda: 1.0)
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    (point,) = telemetry.points("aios3.wait.duration")
    assert (dict(point.attributes), point.count) == ({"aios3.wait": "backoff"}, 1)


@pytest.mark.parametrize(
    ("scheme", "host", "address", "port"),
    [
        ("https", "store.test", "store.test", 443),
        ("http", "store.test", "store.test", 80),
        ("http", "store.test:9000", "store.test", 9000),
        ("https", "[::1]", "::1", 443),
        ("http", "[::1]:9000", "::1", 9000),
    ],
)
def test_the_server_is_host_and_port(telemetry, scheme, host, address, port):
    operation = ObservedOperation("HeadBucket", "b", None, None, None, "HEAD", scheme, host, "r", 0, None)
    telemetry.observer.operation_began(operation)
    telemetry.observer.operation_ended(operation, 0.5, None)
    attributes = telemetry.span("S3.HeadBucket").attributes or {}
    assert (attributes["server.address"], attributes["server.port"]) == (address, port)
