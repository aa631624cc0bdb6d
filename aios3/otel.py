"""Observer that makes OpenTelemetry spans and metrics of what a driver does (extra ``otel``)."""

from __future__ import annotations

import dataclasses
from contextvars import Token
from typing import Final

from aios3._extras import of_extra
from aios3.errors import ResponseError
from aios3.models import UploadedPart
from aios3.observing import (
    ObservedAttempt,
    ObservedOperation,
    ObservedRetry,
    ObservedUpload,
    ObservedUploadEnd,
    Observer,
    Wait,
)

with of_extra("otel", "opentelemetry"):
    from opentelemetry import context, metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.semconv._incubating.attributes import aws_attributes, cloud_attributes, rpc_attributes
    from opentelemetry.semconv._incubating.metrics import rpc_metrics
    from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
    from opentelemetry.util.types import AttributeValue

__all__ = ["OpenTelemetryObserver"]

_SYSTEM: Final = "aws-api"
"""Name of the system of S3's operations, also those of other stores."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# The instrumentation of aiohttp obeys this key. Its name has no public constant; without it, spans come twice.
_SUPPRESS_HTTP: Final = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")


class OpenTelemetryObserver(Observer):
    """Makes one internal span for each upload, and one client span for each S3 operation with all its attempts.

    The span of an upload is a child of the span that is current in the calling task. Spans of its operations are
    children of it. While a request is sent, its span is current, and instrumentations of HTTP clients make no spans of
    their own, so nothing is counted twice. No header, query or signature becomes an attribute. One observer may serve
    several drivers.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        """Take the providers; ``None`` takes the global one."""
        self._tracer = trace.get_tracer("aios3", tracer_provider=tracer_provider)
        self._metrics = _Metrics(metrics.get_meter("aios3", meter_provider=meter_provider))
        self._uploads: dict[ObservedUpload, Span] = {}
        self._operations: dict[ObservedOperation, Span] = {}
        self._tokens: dict[ObservedOperation, Token[Context]] = {}
        """Contexts before the attempts that run."""

    def upload_began(self, upload: ObservedUpload) -> None:
        """Begin the span of the upload."""
        attributes = {aws_attributes.AWS_S3_BUCKET: upload.bucket, aws_attributes.AWS_S3_KEY: upload.key}
        self._uploads[upload] = self._tracer.start_span(
            f"aios3.{upload.call}", kind=SpanKind.INTERNAL, attributes=attributes
        )

    def upload_ended(self, upload: ObservedUpload, end: ObservedUploadEnd) -> None:
        """End the span of the upload, with its size and its timing."""
        self._metrics.upload_ended(upload, end)
        span = self._uploads.pop(upload)
        for activity, seconds in dataclasses.asdict(end.timing).items():
            span.set_attribute(f"aios3.timing.{activity}", seconds)
        if end.receipt is not None:
            span.set_attributes(_describe(end))
        _end(span, end.error)

    def part_stored(self, upload: ObservedUpload, part: UploadedPart, seconds: float) -> None:
        """Record the duration of the part."""
        self._metrics.part_duration.record(seconds)

    def waited(self, upload: ObservedUpload, wait: Wait, seconds: float) -> None:
        """Record the duration of the wait."""
        self._metrics.wait_duration.record(seconds, {"aios3.wait": wait})

    def operation_began(self, operation: ObservedOperation) -> None:
        """Begin the span of the operation."""
        parent = None if operation.upload is None else self._uploads.get(operation.upload)
        self._operations[operation] = self._tracer.start_span(
            f"S3.{operation.name}",
            context=None if parent is None else trace.set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes=_attributes_of(operation),
        )

    def attempt_began(self, operation: ObservedOperation, number: int) -> None:
        """Make the span of the operation current, for the task that sends the request."""
        current = trace.set_span_in_context(self._operations[operation])
        self._tokens[operation] = context.attach(context.set_value(_SUPPRESS_HTTP, True, current))

    def attempt_ended(self, operation: ObservedOperation, attempt: ObservedAttempt) -> None:
        """Make the former span current again, and describe the response."""
        context.detach(self._tokens.pop(operation))
        span = self._operations[operation]
        if attempt.number > 1:
            span.set_attribute(http_attributes.HTTP_REQUEST_RESEND_COUNT, attempt.number - 1)
        if attempt.status is not None:
            span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, attempt.status)
        if attempt.request_id is not None:
            span.set_attribute(aws_attributes.AWS_REQUEST_ID, attempt.request_id)

    def retrying(self, operation: ObservedOperation, retry: ObservedRetry) -> None:
        """Add an event to the span of the operation."""
        event: dict[str, AttributeValue] = {
            error_attributes.ERROR_TYPE: retry.reason,
            "aios3.retry.delay": retry.delay,
        }
        if retry.repair is not None:
            event["aios3.retry.repair"] = retry.repair
        self._operations[operation].add_event("aios3.retry", event)
        self._metrics.retries.add(1, {error_attributes.ERROR_TYPE: retry.reason})

    def throttling_began(self, operation: ObservedOperation) -> None:
        """Add an event to the span of the operation that met the throttling first."""
        self._operations[operation].add_event("aios3.throttling")
        self._metrics.throttling.add(1)

    def operation_ended(self, operation: ObservedOperation, seconds: float, error: BaseException | None) -> None:
        """End the span of the operation."""
        self._metrics.operation_ended(operation, seconds, error)
        _end(self._operations.pop(operation), error)


class _Metrics:
    """Instruments of the observer. Their attributes have few values: no bucket and no key."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._operation_duration = rpc_metrics.create_rpc_client_call_duration(meter)
        self._upload_duration = meter.create_histogram("aios3.upload.duration", "s", "Duration of uploads.")
        self._activities = meter.create_histogram(
            "aios3.upload.activity.duration", "s", "Part of the duration of an upload, by what it waited for."
        )
        self._bytes = meter.create_counter("aios3.upload.size", "By", "Bytes of committed objects.")
        self.part_duration = meter.create_histogram("aios3.part.duration", "s", "Duration of parts, with retries.")
        self.wait_duration = meter.create_histogram(
            "aios3.wait.duration", "s", "Waits for memory, for a slot, and before retries."
        )
        self.retries = meter.create_counter("aios3.retries", "{retry}", "Attempts after the first.")
        self.throttling = meter.create_counter("aios3.throttling", "{episode}", "Episodes of throttling.")

    def upload_ended(self, upload: ObservedUpload, end: ObservedUploadEnd) -> None:
        attributes = {"aios3.call": upload.call} | _error_type(end.error)
        self._upload_duration.record(end.timing.total, attributes)
        for activity, seconds in dataclasses.asdict(end.timing).items():
            self._activities.record(seconds, {"aios3.activity": activity})
        if end.receipt is not None:
            self._bytes.add(end.receipt.size)

    def operation_ended(self, operation: ObservedOperation, seconds: float, error: BaseException | None) -> None:
        attributes = {
            rpc_attributes.RPC_SYSTEM_NAME: _SYSTEM,
            rpc_attributes.RPC_METHOD: operation.name,
            **_server_of(operation),
            **_error_type(error),
        }
        self._operation_duration.record(seconds, attributes)


def _attributes_of(operation: ObservedOperation) -> dict[str, AttributeValue]:
    """Return the attributes that are known before the first request."""
    known: dict[str, AttributeValue | None] = {
        rpc_attributes.RPC_SYSTEM_NAME: _SYSTEM,
        rpc_attributes.RPC_METHOD: operation.name,
        http_attributes.HTTP_REQUEST_METHOD: operation.method,
        cloud_attributes.CLOUD_REGION: operation.region,
        aws_attributes.AWS_S3_BUCKET: operation.bucket,
        aws_attributes.AWS_S3_KEY: operation.key,
        aws_attributes.AWS_S3_UPLOAD_ID: operation.upload_id,
        aws_attributes.AWS_S3_PART_NUMBER: operation.part_number,
        "aios3.body.size": operation.size,
        **_server_of(operation),
    }
    return {name: value for name, value in known.items() if value is not None}


def _server_of(operation: ObservedOperation) -> dict[str, AttributeValue]:
    host, colon, port = operation.host.rpartition(":")
    if not colon or port.endswith("]"):  # an IPv6 address without a port
        host, port = operation.host, str(_DEFAULT_PORTS[operation.scheme])
    return {server_attributes.SERVER_ADDRESS: host.strip("[]"), server_attributes.SERVER_PORT: int(port)}


def _describe(end: ObservedUploadEnd) -> dict[str, AttributeValue]:
    assert end.receipt is not None
    found: dict[str, AttributeValue] = {
        "aios3.upload.size": end.receipt.size,
        "aios3.upload.parts": len(end.receipt.parts),
        "aios3.upload.retries": end.receipt.retries,
    }
    return found if end.receipt.upload_id is None else {**found, aws_attributes.AWS_S3_UPLOAD_ID: end.receipt.upload_id}


def _end(span: Span, error: BaseException | None) -> None:
    if error is not None:
        span.set_attributes(_error_type(error))
        span.set_status(Status(StatusCode.ERROR, str(error) or None))
    span.end()


def _error_type(error: BaseException | None) -> dict[str, AttributeValue]:
    """Return the attribute for the kind of an error: the store's code if it gave one, else the name of the class."""
    if error is None:
        return {}
    code = error.code if isinstance(error, ResponseError) else None
    return {error_attributes.ERROR_TYPE: code or type(error).__qualname__}
