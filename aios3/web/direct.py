"""ASGI application for browsers that send their files straight to the store, in parts, by presigned URLs."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from aiohttp import web

from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError

from ._direct.messages import (
    MOST_COMPLETION,
    RefusedError,
    Response,
    declared_file,
    json_response,
    part_number,
    part_numbers,
    parts_of_json,
    query_of,
    read_json,
    send_response,
)
from ._direct.service import LEAST_PART, DirectService, KeyFor, OnComplete, called
from ._direct.signing import DirectSigning
from ._direct.tokens import TokenSealer
from ._progress.events import EVENT_HEADERS, EVENT_TYPE, has_ended, wants_events
from ._progress.watches import Watches
from ._requests.aiohttp_adapter import aiohttp_routes
from ._requests.bodies import Receive, Scope, Send, header_of
from ._requests.errors import ClientDisconnectedError
from ._requests.mounts import mount_of
from ._requests.owners import status_of_refusal
from .statuses import RETRY_AFTER, headers_of, message_of, status_of

__all__ = ["Authorize", "DirectUploads"]

Authorize = Callable[[Scope], str | Awaitable[str | None] | None]

_log: Final = logging.getLogger("aios3")


class DirectUploads:
    """ASGI application that lets browsers upload straight to the store, and that verifies and commits the uploads.

    Mount it, for example ``app.mount("/uploads", DirectUploads(driver, "videos"))``. It speaks the S3 routes of Uppy's
    Companion (``companionEndpoint: "/uploads"``). ``POST /s3/sign`` is for Uppy 6's ``signRequest``.

    An upload in parts is visible only after the server has compared the parts in the store with those that the client
    lists. Its only state is the store, and a token that the client holds as the upload's id. So any process with the
    same `secret` continues any upload. A small file in one PUT (``/s3/params``) is different: the store makes the
    object when the PUT ends, and ``on_complete`` does not run.

    The bucket needs a CORS rule that allows PUT from your pages and exposes ``ETag``. For pages of another origin than
    this application, put a CORS middleware before it. If the bucket may be in another region than the driver, call
    ``driver.get_container(bucket)`` once before the first request.
    """

    def __init__(
        self,
        driver: S3StorageDriver,
        bucket: str,
        *,
        prefix: str = "",
        max_size: int | None = None,
        authorize: Authorize | None = None,
        key_for: KeyFor | None = None,
        on_complete: OnComplete | None = None,
        expires_in: float | timedelta = 900,
        secret: bytes | str | None = None,
        require_size: bool = False,
        part_size: int = LEAST_PART,
        max_age: timedelta = timedelta(days=1),
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Configure the application. No request is sent.

        Args:
            driver: the store. It belongs to the caller, who closes it.
            bucket: the container.
            prefix: beginning of every key.
            max_size: limit of the bytes of an upload; ``None`` for any. A larger declared size is refused. The sum of
                the parts is checked before the commit.
            authorize: called, or awaited, with the ASGI scope of a request. It returns the name of the owner;
                ``None`` means 401. A `PermissionError` means 403, and an HTTP error of a web framework its own status.
                Uploads of another owner are 404. ``None`` instead of a function lets everyone upload, without owners.
            key_for: called, or awaited, with the owner and the metadata; returns the key after `prefix`. ``None`` makes
                a random key, which nothing of the client decides.
            on_complete: called, or awaited, with the receipt and the metadata, once after the commit. If it raises, the
                client gets 500, and the object stays. It does not run if the process dies first.
            expires_in: seconds, or a timedelta, for which a presigned URL is valid: from 1 second to 7 days.
            secret: at least 16 bytes that authenticate the ids of uploads; the same for all processes. ``None`` takes
                random bytes: uploads then end with this process, and no other process continues them.
            require_size: refuse uploads that declare no ``size``, with 411. Then every URL binds the length of its
                part. Without a declared size a client may store parts of any length, which are checked at the end.
            part_size: bytes of a part, at least 5 MiB; files above 10,000 parts have larger ones. The default is the
                part of Uppy.
            max_age: time after which the id of an upload is no longer valid. The application ends no such upload: call
                ``driver.cleanup_multipart_uploads(bucket, prefix=prefix, older_than=max_age)`` from time to time.
            public_url: URL at which browsers reach this application; ``None`` takes that of each request.
            clock: returns the time in seconds since 1970.

        Raises:
            ConfigurationError: `secret` is too short, or a number is out of range.
        """
        seconds = expires_in.total_seconds() if isinstance(expires_in, timedelta) else expires_in
        if not 1 <= seconds <= 7 * 86400:
            raise ConfigurationError("expires_in is from 1 second to 7 days")
        if max_size is not None and max_size < 0:
            raise ConfigurationError("max_size must not be negative")
        self._authorize = authorize
        self._public_url = None if public_url is None else public_url.rstrip("/")
        self._service = DirectService(
            driver,
            bucket,
            prefix=prefix,
            max_size=max_size,
            require_size=require_size,
            key_for=key_for,
            on_complete=on_complete,
            expires_in=int(seconds),
            max_age=max_age,
            part_size=part_size,
            sealer=TokenSealer(secret),
            clock=clock,
        )
        self._signing = DirectSigning(self._service)
        self._watches = Watches(driver._closed)

    def aiohttp_routes(self, path: str) -> list[web.RouteDef]:
        """Return routes for ``aiohttp.web``: ``app.add_routes(uploads.aiohttp_routes("/uploads"))``.

        ``authorize`` gets a scope with the keys of ASGI, and with the request of aiohttp as
        ``scope["aiohttp.request"]``.

        Args:
            path: path of the application, also in a sub-application; its routes lie below it.
        """
        return aiohttp_routes(self, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Every error becomes a response of JSON with a ``message``."""
        if scope["type"] != "http":
            raise RuntimeError(f"DirectUploads serves http, not {scope['type']}")
        try:
            response = await self._respond(scope, receive)
        except ClientDisconnectedError:
            return  # no client waits for a response
        except Exception as error:  # noqa: BLE001 - a server must respond
            response = _failure(error)
        await send_response(response, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        match scope["method"], *filter(None, mount_of(scope)[1].split("/")):
            case method, "s3", "signed", token if method == "POST":
                return await self._signing.serve(scope, receive, token, "")
            case _, "s3", "signed", token, upload_token:
                return await self._signing.serve(scope, receive, token, upload_token)
            case "GET", "s3", "params":
                return await self._params(await self._owner(scope), query_of(scope))
            case "POST", "s3", "multipart":
                return await self._create(await self._owner(scope), await read_json(scope, receive))
            case "POST", "s3", "sign":
                owner = await self._owner(scope)
                return await self._signing.sign(owner, await read_json(scope, receive), self._base_url(scope))
            case method, "s3", "multipart", token, *rest:
                return await self._about_upload(scope, receive, method, token, rest)
        raise RefusedError(404, "there is no such route")

    async def _about_upload(self, scope: Scope, receive: Receive, method: str, token: str, rest: list[str]) -> Response:
        service, query, owner = self._service, query_of(scope), await self._owner(scope)
        opened = service.open(owner, token, query.get("key"))
        match method, *rest:
            case ["GET"] if wants_events(header_of(scope, b"accept")):
                return self._watch(owner, token, header_of(scope, b"last-event-id"))
            case ["GET"]:
                parts = await service.parts(opened)
                return json_response(
                    [{"PartNumber": part.number, "ETag": f'"{part.etag}"', "Size": part.size} for part in parts]
                )
            case "GET", "batch":
                numbers = part_numbers(query.get("partNumbers", ""))
                urls = {str(number): await service.part_url(opened, number) for number in numbers}
                return json_response({"presignedUrls": urls, "expires": service.expires_in})
            case "GET", number:
                url = await service.part_url(opened, part_number(number))
                return json_response({"url": url, "expires": service.expires_in})
            case "POST", "complete":
                seen = parts_of_json(await read_json(scope, receive, MOST_COMPLETION))
                location = await service.complete(opened, seen)
                return json_response({"location": location, "key": opened.upload.key, "bucket": service.bucket})
            case ["DELETE"]:
                await service.abort(opened)
                return json_response({})
        raise RefusedError(405, "there is no such method here")

    def _watch(self, owner: str | None, token: str, last_event_id: str | None) -> Response:
        """Return the server-sent events of an upload's progress."""
        if has_ended(last_event_id):
            return Response(204)
        if self._watches.is_full:
            raise RefusedError(503, "too many clients watch uploads", {"Retry-After": str(RETRY_AFTER)})
        events = self._watches.events(token, partial(self._service.look_at, owner, token))
        return Response(200, headers=EVENT_HEADERS, content_type=EVENT_TYPE, chunks=events)

    async def _params(self, owner: str | None, query: dict[str, str]) -> Response:
        file = declared_file(query)
        key = await self._service.key_of(owner, file)
        return json_response(
            {
                "method": "PUT",
                "url": await self._service.put_url(file, key),
                "fields": {"key": key},  # Uppy sends no fields with a PUT, and takes the key from here
                "headers": {"Content-Type": file.content_type},
                "expires": self._service.expires_in,
            }
        )

    async def _create(self, owner: str | None, known: dict[str, Any]) -> Response:
        file = declared_file(known)
        self._service.check_size(file.size)
        token, upload = await self._service.begin(owner, file, await self._service.key_of(owner, file))
        return json_response(
            {"key": upload.key, "uploadId": token, "bucket": upload.bucket, "partSize": upload.part_size}
        )

    async def _owner(self, scope: Scope) -> str | None:
        if self._authorize is None:
            return None
        try:
            owner = await called(self._authorize(scope))
        except PermissionError:
            raise RefusedError(403, "this is not allowed") from None
        except Exception as error:
            status = status_of_refusal(error)
            if status is None:
                raise
            raise RefusedError(status, "this is not allowed", getattr(error, "headers", None)) from None
        if owner is None:
            raise RefusedError(401, "a login is required")
        return owner

    def _base_url(self, scope: Scope) -> str:
        if self._public_url is not None:
            return self._public_url
        host = header_of(scope, b"host") or "localhost"
        return f"{scope.get('scheme', 'http')}://{host}{mount_of(scope)[0]}"


def _failure(error: Exception) -> Response:
    status, headers = status_of(error), headers_of(error)
    if isinstance(error, RefusedError):
        headers = headers | error.headers
    if status in (500, 502):
        _log.error("direct upload failed: %s", type(error).__name__, exc_info=error)
    return json_response({"message": message_of(error)}, status, headers)
