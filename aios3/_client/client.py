"""Client that runs one S3 operation: builds, signs, sends and reads it, and retries if that can help."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from aios3._concurrency.caller_errors import note
from aios3._concurrency.clock import Clock
from aios3._concurrency.threads import hash_body
from aios3._protocol.checksums.digests import sha256_hex
from aios3._protocol.operations import CONTROL_OPERATIONS, GetObject, Operation
from aios3._protocol.policies.retry import Repair, decide
from aios3._protocol.wire.access_points import region_in_name
from aios3._protocol.wire.error_responses import expected_regions, redirect_host
from aios3._protocol.wire.messages import Request, Response, is_redirect
from aios3._protocol.wire.response_headers import retry_after
from aios3._protocol.wire.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, sign
from aios3._protocol.wire.uri import Endpoint
from aios3._transport.interface import BodyFeed, StreamedResponse, Transport
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import DriverClosedError, ResponseError, TransportError
from aios3.options import RetryPolicy

from .attempts import Attempt, FailedAttempts, Shield
from .clock_skew import ClockSkew
from .key_doubts import KeyDoubts
from .observing.guarded_observer import GuardedObserver
from .observing.operation_trace import OperationTrace, trace_operation
from .observing.trouble_log import TroubleLog
from .rate_limiter import RateLimiter
from .retry_budget import RetryBudget
from .signers import OrdinarySigner, Signer

__all__ = ["Attempt", "OperationClient"]

T = TypeVar("T")

_LIMITED: Final = frozenset({"PutObject", "UploadPart"})
"""Operations that wait while the store throttles. Operations that begin or end an upload never wait."""

_READS: Final = frozenset({"GetObject", "HeadObject"})
"""Operations whose responses describe an object, or have its bytes."""

_FAILURES: Final = (ResponseError, TransportError, DriverClosedError)
"""Errors of an attempt that are judged, and perhaps retried."""

_CLEANUP_ATTEMPTS: Final = RetryPolicy().max_attempts
"""Minimum of attempts for a request that cleans up, even if the caller's policy allows fewer."""


@dataclass(eq=False)
class OperationClient:
    """Runs operations against one store."""

    transport: Transport
    endpoint: Endpoint
    region: str
    credentials: CredentialsProvider | None
    """Provider of the credentials; with ``None`` requests go unsigned."""
    policy: RetryPolicy
    payload_signing: Literal["sha256", "unsigned"]
    clock: Clock
    clock_skew: ClockSkew = field(init=False)
    budget: RetryBudget = field(init=False)
    limiter: RateLimiter = field(init=False)
    trouble: TroubleLog = field(init=False)
    regional_endpoint: Callable[[str], Endpoint | None] | None = None
    """Endpoint by region, if the provider has one for each; ``None`` if the caller gave an endpoint. The call returns
    ``None`` for a region that must not be reached."""
    region_of_host: Callable[[str, str | None], str | None] | None = None
    """Region by host of the provider and the bucket that may precede the host; ``None`` if no host is known."""
    data_endpoint: Callable[[str, str], Endpoint | None] | None = None
    """Endpoint for the objects of a bucket, by bucket and region; ``None`` if that is the endpoint that makes buckets,
    for every bucket or for this one. The call may raise a `ConfigurationError`."""
    unpacks_gzip: bool = False
    """The store unpacks objects that are stored as gzip, unless the request accepts gzip."""
    listing_prefix: Callable[[str], str] = str
    """Prefix to send, by wanted prefix. The listing may then have other keys, so the caller filters it."""
    expired_key_codes: frozenset[str] = frozenset()
    """Codes that may mean that the keys have expired, besides the usual ones. Those of `credentials` are added."""
    observer: GuardedObserver | None = None
    """Observer of every operation, and of the uploads; ``None`` without one."""
    signer: Signer = field(init=False)
    """Signer of every operation; it uses `credentials` unless another signer is set."""
    _cleanup_policy: RetryPolicy = field(init=False)
    _doubts: KeyDoubts = field(init=False)
    _regions: dict[str | None, str] = field(default_factory=dict)
    """Regions of buckets by name, for buckets whose region is not `region`, as the store reported."""

    def __post_init__(self) -> None:
        self.clock_skew = ClockSkew(self.clock)
        self.budget = RetryBudget(self.policy.budget, self.clock.monotonic)
        self.limiter = RateLimiter(self.clock)
        self.trouble = TroubleLog(self.clock.monotonic)
        self.signer = OrdinarySigner(self.credentials)
        self._doubts = KeyDoubts(self.credentials, self.expired_key_codes)
        self._cleanup_policy = replace(self.policy, max_attempts=max(self.policy.max_attempts, _CLEANUP_ATTEMPTS))

    async def run(
        self,
        operation: Operation[T],
        *,
        log: FailedAttempts | None = None,
        read_timeout: float | None = None,
        is_cleanup: bool = False,
        shield: Shield[T] | None = None,
        feed: BodyFeed | None = None,
    ) -> T:
        """Run `operation` until it succeeds, or the retry policy or the retry budget allows no further attempt.

        The body's slices are in use until this returns or raises. A cancellation closes the connection. It is then
        unknown whether the store has done the operation.

        Args:
            operation: operation to run.
            log: receives every failed attempt of this request; ``None`` for callers that do not need them.
            read_timeout: seconds without a byte of the response; ``None`` uses the transport's own limit.
            is_cleanup: retry even if the driver's retry budget is used up, and at least as often as by default.
            shield: awaits each attempt, for callers who must see its end although they are cancelled. A cancellation
                ends the waits between attempts as usual.
            feed: the body, if it is made while it is sent. It is not signed, and is sent again only if it can be
                rewound.

        Raises:
            ResponseError: the store refused.
            TransportError: no response came.
            DriverClosedError: the transport was closed.
        """
        request = self._build(operation)
        payload_hash = self._fixed_hash(request, feed)
        if payload_hash is None:
            payload_hash = await hash_body(sha256_hex, request.body)
        log = FailedAttempts() if log is None else log
        repaired: set[Repair] = set()
        with trace_operation(operation, request, log.upload, self.observer, self.region_of, feed) as trace:
            while True:
                request = self._build(operation) if repaired else request
                credentials = await self.signer.keys_for(operation)  # outside the shield: nothing has been sent yet
                attempt = self._attempt(operation, request, payload_hash, credentials, read_timeout, feed, log, trace)
                outcome = await (attempt if shield is None else shield(attempt))
                if outcome.failure is None:
                    self.budget.succeeded()
                    return outcome.unwrap()
                log.add(outcome.failure)
                await self._prepare_retry(operation, outcome, log, repaired, trace, is_cleanup=is_cleanup, feed=feed)

    async def _prepare_retry(
        self,
        operation: Operation[Any],
        outcome: Attempt[Any],
        log: FailedAttempts,
        repaired: set[Repair],
        trace: OperationTrace,
        *,
        is_cleanup: bool,
        feed: BodyFeed | None = None,
    ) -> None:
        """Wait until the next attempt is due, or raise the failure of the last attempt.

        Args:
            operation: operation that is run.
            outcome: last attempt, which failed.
            log: failed attempts of this request, the last one included.
            repaired: repairs of this request so far; the one that is made now is added.
            trace: records the backoff.
            is_cleanup: see `run`.
            feed: the body, if it is made while it is sent.
        """
        assert outcome.failure is not None
        if self.trouble.begins_throttling(outcome.failure):
            trace.throttling_began()
        region = self._other_region(operation.bucket, outcome.response)
        doubts_keys = self._doubts.covers(outcome)
        retry = decide(
            outcome.failure,
            attempt=len(log) - len(repaired),
            policy=self._cleanup_policy if is_cleanup else self.policy,
            random=self.clock.random(),
            retry_after=None if outcome.response is None else retry_after(outcome.response.headers),
            repaired=repaired,
            names_region=region is not None,
            doubts_keys=doubts_keys,
        )
        is_lost = feed is not None and not feed.rewind()
        if retry is None or is_lost or not self._may_retry(outcome, retry.cost, is_cleanup=is_cleanup):
            if len(log) > 1:
                note(outcome.failure, f"aios3: gave up after {len(log)} attempts")
            raise outcome.failure
        if retry.repair is not None:
            repaired.add(retry.repair)
            await self._repair(retry.repair, operation, outcome, doubts_keys=doubts_keys)
        if retry.repair == "region" and region is not None:
            self._regions[operation.bucket] = region
        trace.backoff_began(outcome.failure, retry)
        await self.limiter.back_off(outcome.failure, retry)
        trace.backoff_ended()

    def _may_retry(self, outcome: Attempt[Any], cost: int, *, is_cleanup: bool) -> bool:
        """Take `cost` tokens from the retry budget if the retry costs any; return whether it may be made."""
        if outcome.in_same_burst or self.budget.take(cost) or is_cleanup:
            return True
        assert outcome.failure is not None
        self.trouble.budget_used_up(outcome.failure)
        return False

    async def _attempt(
        self,
        operation: Operation[T],
        request: Request,
        payload_hash: str,
        credentials: Credentials | None,
        read_timeout: float | None,
        feed: BodyFeed | None,
        log: FailedAttempts,
        trace: OperationTrace,
    ) -> Attempt[T]:
        # A streamed body is not limited. It lasts as long as its source, and limited requests would wait for its end.
        # The source may in turn wait for the memory of those requests, so both would wait without end.
        began_at: float | None = None  # when the limiter let the request begin, if it is a limited one
        if operation.name not in _LIMITED or feed is not None:
            self.limiter.charge()
        elif (began_at := self.limiter.enter_nowait()) is None:
            trace.queued()
            began_at = await self.limiter.enter(log.failures)
        response: Response | None = None
        try:
            sent_at, on_sent = self.clock.now(), trace.body_sent
            trace.attempt_began()
            try:
                signed = self._sign(operation, request, payload_hash, credentials, sent_at)
                if feed is None:
                    response = await self.transport.send(signed, read_timeout=read_timeout, on_sent=on_sent)
                else:
                    response = await self.transport.send_stream(
                        signed, feed, read_timeout=read_timeout, on_sent=on_sent
                    )
                self.clock_skew.note(response, sent_at)
                outcome = Attempt(operation.read(response), None, response, credentials)
            except BaseException as error:
                trace.attempt_ended(response, error)
                if not isinstance(error, _FAILURES):
                    raise
                outcome = Attempt(None, error, response, credentials)
            else:
                trace.attempt_ended(response, None)
            return outcome if began_at is None else self.limiter.record(began_at, outcome)
        finally:
            if began_at is not None:
                self.limiter.leave()

    @asynccontextmanager
    async def open(self, operation: GetObject, *, chunk_size: int) -> AsyncGenerator[StreamedResponse]:
        """Run `operation` until a response succeeds, and give that response before its body.

        Raises:
            ResponseError: the store refused.
            TransportError: no response came.
            DriverClosedError: the transport was closed.
        """
        async with AsyncExitStack() as stack:
            yield await self._open(operation, chunk_size, stack)

    async def _open(self, operation: GetObject, chunk_size: int, stack: AsyncExitStack) -> StreamedResponse:
        log = FailedAttempts()
        repaired: set[Repair] = set()
        request = self._build(operation)
        with trace_operation(operation, request, log.upload, self.observer, self.region_of) as trace:
            while True:
                outcome = await self._open_attempt(operation, request, chunk_size, stack, trace)
                if outcome.failure is None:
                    self.budget.succeeded()
                    return outcome.unwrap()
                await stack.aclose()
                log.add(outcome.failure)
                await self._prepare_retry(operation, outcome, log, repaired, trace, is_cleanup=False)
                request = self._build(operation)

    async def _open_attempt(
        self, operation: GetObject, request: Request, chunk_size: int, stack: AsyncExitStack, trace: OperationTrace
    ) -> Attempt[StreamedResponse]:
        response: Response | None = None
        credentials = await self.signer.keys_for(operation)
        sent_at = self.clock.now()
        trace.attempt_began()
        try:
            signed = self._sign(operation, request, EMPTY_SHA256, credentials, sent_at)
            streamed = await stack.enter_async_context(self.transport.open(signed, chunk_size=chunk_size))
            response = Response(streamed.status, streamed.headers)
            self.clock_skew.note(response, sent_at)
            if streamed.status >= 300:
                response = await streamed.read()
            operation.read(response)
        except BaseException as error:
            trace.attempt_ended(response, error)
            if isinstance(error, _FAILURES):
                return Attempt(None, error, response, credentials)
            raise
        trace.attempt_ended(response, None)
        return Attempt(streamed, None, response, credentials)

    def _build(self, operation: Operation[Any]) -> Request:
        request = operation.build(self._endpoint_for(operation))
        is_packed = self.unpacks_gzip and operation.name in _READS
        return replace(request, accept_encoding="gzip") if is_packed else request

    def region_of(self, bucket: str | None) -> str:
        """Return the region to sign for: as the store reported it for `bucket`, else that of its ARN, else `region`."""
        return self._regions.get(bucket) or region_in_name(bucket) or self.region

    def endpoint_of(self, bucket: str | None) -> Endpoint:
        """Return the endpoint for the objects of `bucket`, by the region that is known of it."""
        if bucket is None or self.data_endpoint is None:
            return self._control_endpoint_of(bucket)
        return self.data_endpoint(bucket, self.region_of(bucket)) or self._control_endpoint_of(bucket)

    def check_bucket(self, bucket: str) -> None:
        """Raise a `ConfigurationError` if the endpoint does not reach `bucket`."""
        self.endpoint_of(bucket).locate(bucket, None)

    def _endpoint_for(self, operation: Operation[Any]) -> Endpoint:
        is_control = operation.name in CONTROL_OPERATIONS
        return (self._control_endpoint_of if is_control else self.endpoint_of)(operation.bucket)

    def _control_endpoint_of(self, bucket: str | None) -> Endpoint:
        if bucket not in self._regions or self.regional_endpoint is None:
            return self.endpoint
        return self.regional_endpoint(self._regions[bucket]) or self.endpoint

    def _other_region(self, bucket: str | None, response: Response | None) -> str | None:
        """Return the region that the response names; ``None`` if it names no other one, or must not be followed."""
        # A redirect is followed by the provider's own pattern only, never to a host that a response names.
        if response is None or (is_redirect(response) and self.regional_endpoint is None):
            return None
        current = self.region_of(bucket)
        named = (*expected_regions(response), self._region_of_named_host(bucket, response))
        return next((region for region in named if region not in (None, current) and self._may_reach(region)), None)

    def _region_of_named_host(self, bucket: str | None, response: Response) -> str | None:
        host = redirect_host(response)
        return None if host is None or self.region_of_host is None else self.region_of_host(host, bucket)

    def _may_reach(self, region: str) -> bool:
        return self.regional_endpoint is None or self.regional_endpoint(region) is not None

    async def _repair(
        self, repair: Repair, operation: Operation[Any], outcome: Attempt[Any], *, doubts_keys: bool
    ) -> None:
        """Correct the clock, or replace the refused keys; every attempt looks for a good connection anyway.

        Raises the failure of the attempt if its keys were doubted, and their source has no others.
        """
        if repair == "clock" and outcome.response is not None:
            self.clock_skew.correct(outcome.response)
        if repair != "credentials" or outcome.credentials is None:
            return
        if not doubts_keys:
            self.signer.refused(operation, outcome.credentials)
            return
        keys = await self.signer.renewed(operation, outcome.credentials)
        self._doubts.trust(keys, outcome)
        if keys == outcome.credentials and outcome.failure is not None:
            raise outcome.failure

    def _sign(
        self,
        operation: Operation[Any],
        request: Request,
        payload_hash: str,
        credentials: Credentials | None,
        now: datetime,
    ) -> Request:
        if credentials is None:
            return request
        scope = self.signer.scope_for(operation, self.region_of(operation.bucket))
        return sign(request, credentials, scope, now + self.clock_skew.offset, payload_hash)

    def _fixed_hash(self, request: Request, feed: BodyFeed | None) -> str | None:
        """Return the payload's hash, or what stands in its place; ``None`` if the body must be hashed."""
        if feed is not None:
            return UNSIGNED_PAYLOAD
        if self.credentials is None or not request.body:
            return EMPTY_SHA256
        return UNSIGNED_PAYLOAD if self.payload_signing == "unsigned" else None
