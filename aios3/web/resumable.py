"""Resumable uploads from browsers and apps as one ASGI application, with the store as its only state."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from aiohttp import web

from aios3.driver import S3StorageDriver
from aios3.errors import (
    ConfigurationError,
    DriverClosedError,
    SizeMismatchError,
    SourceStalledError,
    StorageError,
    UploadNotFoundError,
)

from ._progress.events import EVENT_HEADERS, has_ended, wants_events
from ._progress.watches import Watches
from ._requests.aiohttp_adapter import aiohttp_routes
from ._requests.bodies import Receive, Scope, Send
from ._requests.mounts import mount_of
from ._requests.owners import status_of_refusal
from ._resumable.appending import Appending
from ._resumable.asgi import (
    cross_origin_headers,
    declared_length,
    headers_of,
    method_of,
    run_lifespan,
    send_response,
)
from ._resumable.bodies import Body, ClientGoneError
from ._resumable.creating import Creating, KeyFor, is_token, new_token
from ._resumable.downloading import download
from ._resumable.draft import APPEND_TYPE, Draft, is_draft
from ._resumable.ending import Endings, OnComplete
from ._resumable.interim import Interim
from ._resumable.lease import Leases, locked
from ._resumable.messages import Append, BeyondLengthError, Dialect, Limits, RefusedError, Response, Status
from ._resumable.tus import VERSION, Tus, check_version
from ._resumable.upload_store import OvertakenError, Stored, UploadStore
from ._resumable.watching import look_at
from .statuses import RETRY_AFTER, status_of

__all__ = ["Authorize", "RefusedError", "ResumableUploads"]

Authorize = Callable[[Scope], Awaitable[str | None] | str | None]

_log: Final = logging.getLogger("aios3")
_RETRY_AFTER: Final = "2"


@dataclass(frozen=True, slots=True)
class _Request:
    """One request of a client, and what it takes beside its response."""

    scope: Scope
    method: str
    headers: Mapping[str, str]
    dialect: Dialect
    body: Body
    interim: Interim


class ResumableUploads:
    """ASGI application that takes resumable uploads: tus 1.0.0, and the IETF draft behind the same URLs.

    Mount it at a path: ``app.mount("/files", ResumableUploads(driver, "videos"))``. The store is its only state, so any
    process may take any request of any upload. A process that dies loses nothing that was acknowledged. The object
    appears at its key when the upload is whole. Helper objects lie below ``.uploads/`` behind `prefix`.
    """

    def __init__(
        self,
        driver: S3StorageDriver,
        bucket: str,
        *,
        prefix: str = "",
        max_size: int | None = None,
        max_age: timedelta = timedelta(days=1),
        authorize: Authorize | None = None,
        key_for: KeyFor | None = None,
        on_complete: OnComplete | None = None,
        public_url: str | None = None,
    ) -> None:
        """Configure the application; nothing is sent.

        Args:
            driver: driver to use, which is never closed here.
            bucket: the container of the objects and of the helper objects.
            prefix: beginning of all keys.
            max_size: limit of the bytes of an upload; ``None`` for only the store's limit.
            max_age: time after its creation at which an unfinished upload expires. A finished upload is remembered as
                long, so that a client that lost the last response learns of its success.
            authorize: called, or awaited, with the scope of each request but OPTIONS. It returns the owner's name;
                ``None`` means 401. It refuses by `RefusedError`, by `PermissionError` (403), or by an HTTP error of a
                web framework. An upload of one owner is 404 to another. ``None`` instead of a function lets everybody
                create uploads: only the unguessable URL protects them.
            key_for: called, or awaited, with the owner and the metadata. It returns the key behind `prefix`. ``None``
                takes random keys, so nothing that a client says decides a key.
            on_complete: called, or awaited, with the receipt and the metadata, after the commit and before the client
                gets its response. If it raises, or the process dies meanwhile, the next request of the upload, or
                `sweep`, calls it again. So it may be called twice for one upload.
            public_url: URL at which clients reach this application. Responses then name uploads by whole URLs. ``None``
                names them by their path. That works behind a proxy that changes scheme or host, but not behind one that
                changes the path, nor for clients that take no path (aiotus).

        Raises:
            ConfigurationError: `max_size` is negative, or `max_age` is not positive.
        """
        if (max_size is not None and max_size < 0) or max_age <= timedelta():
            raise ConfigurationError("max_size must not be negative, and max_age must be positive")
        self._store = UploadStore(driver, bucket, prefix)
        self._leases = Leases(self._store)
        self._endings = Endings(self._store, self._leases, on_complete, max_age)
        self._appending = Appending(self._store, self._leases, self._endings, max_size)
        self._creating = Creating(
            self._store,
            self._leases,
            self._endings,
            self._appending,
            max_size=max_size,
            max_age=max_age,
            key_for=key_for,
        )
        self._watches = Watches(driver._closed)
        self._authorize = authorize
        self._public_url = None if public_url is None else public_url.rstrip("/")
        self._limits = Limits(max_size)

    async def sweep(self) -> list[str]:
        """End the uploads that have expired, and forget those that were finished longer than ``max_age`` ago.

        Any process may run it, at any time, also several at once. It lists the helper objects, and reads those that
        did not change for ``max_age``. If one cannot be ended, the others still are, and the next sweep tries again.

        Returns:
            The keys of the unfinished uploads that it ended.

        Raises:
            StorageError: the helper objects cannot be listed.
        """
        return await self._endings.sweep()

    def aiohttp_routes(self, path: str) -> list[web.RouteDef]:
        """Return routes for ``aiohttp.web``: ``app.add_routes(uploads.aiohttp_routes("/files"))``.

        They serve the same uploads as the ASGI application does. ``authorize`` gets a scope with the keys of ASGI, and
        with the request of aiohttp as ``scope["aiohttp.request"]``. Clients of the IETF draft also get the interim
        response 104, with the URL of a new upload before its first byte is read, and with the offset meanwhile.

        Args:
            path: path of the application, also in a sub-application; uploads have URLs below it.
        """
        return aiohttp_routes(self, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request; the entry for ASGI servers and frameworks. Errors become responses."""
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._take(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1002})

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[str, str] = {}
        dialect: Dialect = Tus()
        method = ""
        try:
            headers = headers_of(scope)
            method = method_of(scope, headers)
            dialect = dialect_of(method, headers)
            body = Body(receive, declared_length(headers))
            response = await self._respond(
                _Request(scope, method, headers, dialect, body, Interim(scope, send, dialect))
            )
        except ClientGoneError:
            response = Response(408)  # most servers drop it; one that does not needs a response
        except RefusedError as error:
            response = dialect.refused(error, self._limits)
        except Exception as error:  # noqa: BLE001 - a server must not see it
            response = dialect.refused(as_refusal(error), self._limits)
        crossing = cross_origin_headers(headers, is_preflight=method == "OPTIONS")
        version = {"Tus-Resumable": VERSION} if isinstance(dialect, Tus) else {}
        response = Response(response.status, {**version, **response.headers, **crossing}, response.body)
        await send_response(receive, send, response, has_body=scope["method"] != "HEAD")

    async def _respond(self, request: _Request) -> Response:
        if request.method == "OPTIONS":
            return Response(204, {**Draft({}).options(self._limits).headers, **Tus().options(self._limits).headers})
        if isinstance(request.dialect, Tus):
            check_version(request.headers)
        root, below = mount_of(request.scope)
        owner = await self._owner(request.scope)
        if not below:
            if request.method != "POST":
                raise RefusedError(405, headers={"Allow": "POST, OPTIONS"})
            return await self._create(self._public_url or root, owner, request)
        return await self._act(await self._find(below, owner), request)

    async def _owner(self, scope: Scope) -> str | None:
        if self._authorize is None:
            return None
        try:
            named = self._authorize(scope)
            owner = await named if inspect.isawaitable(named) else named
        except PermissionError:
            raise RefusedError(403, "this is not allowed") from None
        except Exception as error:
            status = status_of_refusal(error)
            if status is None or isinstance(error, RefusedError):
                raise
            raise RefusedError(status, "this is not allowed", headers=getattr(error, "headers", None)) from None
        if owner is None:
            raise RefusedError(401, "log in first")
        return owner

    async def _find(self, token: str, owner: str | None) -> Stored:
        stored = await self._store.read(self._store.name_of(token)) if is_token(token) else None
        if stored is None or stored.description.owner != owner:
            raise RefusedError(404, "there is no such upload")
        description = stored.description
        if not description.is_complete and await self._store.now() >= description.expires_at:
            raise RefusedError(410, "the upload has expired")
        return stored

    async def _create(self, root: str, owner: str | None, request: _Request) -> Response:
        creation = request.dialect.read_creation(request.headers)
        token = new_token()
        stored = await self._creating.create(token, creation, owner)
        limits = await self._limits_of(stored)
        await request.interim.created(f"{root}/{token}", limits)
        status = stored.description.status(0)
        if creation.first is not None:
            status = await self._append_first(stored, creation.first, request)
        elif stored.description.length == 0 and not stored.description.is_complete:
            status = (await self._endings.settle(stored)).description.status(None)
        is_appended = creation.first is not None
        return request.dialect.created(status, f"{root}/{token}", limits, is_appended=is_appended)

    async def _append_first(self, stored: Stored, append: Append, request: _Request) -> Status:
        """Append the body of a creation. If that is refused, the client never learns the URL, so nothing remains."""
        try:
            return await self._append(stored, append, request)
        except (RefusedError, ClientGoneError):
            if not request.interim.is_announced:
                await self._endings.discard(stored.name)
            raise

    async def _append(self, stored: Stored, append: Append, request: _Request) -> Status:
        try:
            return await self._appending.append(stored, append, request.body, request.dialect, request.interim)
        except BeyondLengthError:
            if request.dialect.ends_excess:
                await self._endings.discard(stored.name)
            raise

    async def _limits_of(self, stored: Stored) -> Limits:
        """Return the limits of an upload, with the seconds that are left to it."""
        if stored.description.is_complete:
            return Limits(self._limits.max_size)
        left = stored.description.expires_at - await self._store.now()
        return Limits(self._limits.max_size, max(0, int(left.total_seconds())))

    async def _act(self, stored: Stored, request: _Request) -> Response:
        dialect = request.dialect
        if request.method == "PATCH":
            return dialect.appended(await self._append(stored, dialect.read_append(request.headers), request))
        if request.method == "HEAD":
            return await self._describe(stored, dialect)
        if request.method == "DELETE":
            await self._endings.delete(stored)
            return dialect.deleted()
        if request.method == "GET" and wants_events(request.headers.get("accept")):
            return self._watch(stored, request.headers.get("last-event-id"))
        if request.method == "GET":
            is_complete = stored.description.is_complete
            return await (download(self._store, stored) if is_complete else self._describe(stored, dialect))
        raise RefusedError(405, headers={"Allow": "HEAD, GET, PATCH, DELETE, OPTIONS"})

    def _watch(self, stored: Stored, last_event_id: str | None) -> Response:
        """Return the server-sent events of an upload's progress."""
        if has_ended(last_event_id):
            return Response(204)
        if self._watches.is_full:
            raise RefusedError(503, "too many clients watch uploads", headers={"Retry-After": str(RETRY_AFTER)})
        look = partial(look_at, self._store, self._endings, stored.name)
        return Response(200, EVENT_HEADERS, self._watches.events(stored.name, look))

    async def _describe(self, stored: Stored, dialect: Dialect) -> Response:
        offset = None
        if not stored.description.is_complete:
            try:
                offset = (await self._store.progress(stored)).offset
            except UploadNotFoundError:
                offset = stored.description.length
            if offset == stored.description.length:
                stored = await self._endings.settle(stored)
        return dialect.described(stored.description.status(offset), await self._limits_of(stored))


def dialect_of(method: str, headers: Mapping[str, str]) -> Dialect:
    """Return the protocol of a request."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_neutral = method not in ("POST", "PATCH") or kind == APPEND_TYPE
    if "tus-resumable" not in headers and (is_draft(headers) or is_neutral):
        return Draft(headers)
    return Tus()


def as_refusal(error: Exception) -> RefusedError:
    """Return the response to a request that failed, and log what the operator has to know."""
    if isinstance(error, OvertakenError):
        return locked()
    status = _status_of(error)
    if status >= 500 and not isinstance(error, DriverClosedError):  # the operator has stopped the server
        is_known = isinstance(error, StorageError | TimeoutError)
        _log.error(
            "a resumable upload failed: %s", str(error) or type(error).__name__, exc_info=None if is_known else error
        )
    headers = {"Retry-After": _RETRY_AFTER} if status == 503 else {}
    return RefusedError(status, "the store cannot take this now" if status >= 500 else "", headers=headers)


def _status_of(error: Exception) -> int:
    if isinstance(error, UploadNotFoundError):
        return 410  # it was there when the request began
    if isinstance(error, SizeMismatchError):
        return 413  # the body goes beyond the length of the upload
    is_lease_lost = isinstance(error, TimeoutError) and not isinstance(error, SourceStalledError)
    return 503 if is_lease_lost else status_of(error)
