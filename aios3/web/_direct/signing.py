"""Uppy 6's ``signRequest`` for `DirectUploads`: parts go to the store, and the other requests come to this server.

Uppy 6 signs each of its requests to S3. Only a URL for bytes is a URL of the store. Create, list, complete and abort
get URLs of this server, which speaks S3's XML there, so that the server verifies and commits. Uppy sends no login to
these URLs. So each holds a token for one request of one owner, which expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aios3.web._requests.bodies import Receive, Scope, header_of

from .messages import (
    MOST_COMPLETION,
    DeclaredFile,
    RefusedError,
    Response,
    content_type_of,
    declared_file,
    json_response,
    part_number,
    parts_of_xml,
    read_body,
    xml_response,
)
from .service import DirectService

__all__ = ["DirectSigning"]


class DirectSigning:
    """Signer of the requests of Uppy 6, and the server of those that do not go to the store."""

    def __init__(self, service: DirectService) -> None:
        self._service = service

    async def sign(self, owner: str | None, wanted: Mapping[str, Any], base_url: str) -> Response:
        """Return the response for a request to sign: ``{url, key?, headers?}``.

        Args:
            owner: owner of the upload.
            wanted: ``{method, key, uploadId?, partNumber?, contentType?, expiresIn?}``, and as additions of ours
                ``size`` and ``metadata``.
            base_url: URL of this application, without a slash at its end.

        Raises:
            RefusedError: the request is not one that may be made.
        """
        method, key = wanted.get("method"), wanted.get("key")
        if not isinstance(method, str) or not isinstance(key, str):
            raise RefusedError(400, "method and key are required")
        expires_in = self._expires_in(wanted.get("expiresIn"))
        token = wanted.get("uploadId")
        if token is None:
            return await self._sign_first(owner, method, key, wanted, base_url, expires_in)
        if not isinstance(token, str):
            raise RefusedError(400, "uploadId is not text")
        opened = self._service.open(owner, token, key)
        if method == "PUT":
            number = part_number(wanted.get("partNumber"))
            return json_response({"url": await self._service.part_url(opened, number, expires_in)})
        if method not in ("GET", "POST", "DELETE"):
            raise RefusedError(400, "there is no such request")
        return json_response({"url": self._url(base_url, {"method": method, "owner": owner}, expires_in, token)})

    async def _sign_first(
        self, owner: str | None, method: str, key: str, wanted: Mapping[str, Any], base_url: str, expires_in: int
    ) -> Response:
        if method not in ("PUT", "POST"):
            raise RefusedError(403, "objects cannot be read or deleted here")
        file = declared_file({"filename": key, "type": wanted.get("contentType"), **_additions(wanted)})
        own_key = await self._service.key_of(owner, file)
        if method == "PUT":
            url = await self._service.put_url(file, own_key, expires_in)
            return json_response({"url": url, "key": own_key, "headers": {"Content-Type": file.content_type}})
        self._service.check_size(file.size)
        value = {"method": "POST", "owner": owner, "key": own_key, "size": file.size, "metadata": file.metadata}
        return json_response({"url": self._url(base_url, value, expires_in, ""), "key": own_key})

    def _expires_in(self, wanted: object) -> int:
        most = self._service.expires_in
        is_number = isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0
        return min(wanted, most) if is_number and isinstance(wanted, int) else most

    def _url(self, base_url: str, value: Mapping[str, Any], expires_in: int, upload_token: str) -> str:
        ends = int(self._service.clock()) + expires_in
        token = self._service.sealer.seal({**value, "ends": ends}, "request", upload_token)
        return f"{base_url}/s3/signed/{token}" + (f"/{upload_token}" if upload_token else "")

    async def serve(self, scope: Scope, receive: Receive, token: str, upload_token: str) -> Response:
        """Serve a request to a URL that `sign` has given, as S3 would.

        Raises:
            RefusedError: the URL is forged, expired, or for another method.
            StorageError: as in `DirectService`.
        """
        value = self._service.sealer.open(token, "request", upload_token)
        if value is None or value["method"] != scope["method"]:
            raise RefusedError(403, "this URL is not for this request")
        if self._service.clock() > value["ends"]:
            raise RefusedError(403, "this URL has expired")
        if not upload_token:
            return await self._create(scope, value)
        opened = self._service.open(value["owner"], upload_token, None)
        place = {"Bucket": self._service.bucket, "Key": opened.upload.key}
        if value["method"] == "GET":
            return xml_response("ListPartsResult", place, await self._service.parts(opened))
        if value["method"] == "DELETE":
            await self._service.abort(opened)
            return Response(204)
        location = await self._service.complete(opened, parts_of_xml(await read_body(scope, receive, MOST_COMPLETION)))
        return xml_response("CompleteMultipartUploadResult", {"Location": location, **place})

    async def _create(self, scope: Scope, value: Mapping[str, Any]) -> Response:
        content_type = content_type_of(header_of(scope, b"content-type"))
        file = DeclaredFile({"type": content_type, **value["metadata"]}, content_type, value["size"])
        token, upload = await self._service.begin(value["owner"], file, value["key"])
        place = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": token}
        return xml_response("InitiateMultipartUploadResult", place)


def _additions(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: wanted[name] for name in ("size", "metadata") if wanted.get(name) is not None}
