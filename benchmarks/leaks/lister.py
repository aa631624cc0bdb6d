"""Asks a store what is there, with boto3, in another process than that of the client."""

from __future__ import annotations

import hashlib
from typing import Any

from benchmarks.leaks.clients.target import Target
from benchmarks.leaks.scene import DIGEST
from benchmarks.leaks.verdicts import Stored

__all__ = ["Lister"]


class Lister:
    """Looks at one store. It may be used from several threads."""

    def __init__(self, target: Target) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = target.bucket
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=target.endpoint_url,
            region_name=target.region,
            aws_access_key_id=target.access_key_id,
            aws_secret_access_key=target.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )

    def create_bucket(self) -> None:
        """Make the bucket of the target."""
        self._client.create_bucket(Bucket=self._bucket)

    def count_uploads(self, key: str) -> int:
        """Return how many uploads of the key are open."""
        return len(self._upload_ids(key))

    def count_parts(self, key: str) -> int:
        """Return how many parts the key's open uploads have."""
        return sum(len(self._parts(key, upload_id)) for upload_id in self._upload_ids(key))

    def stored(self, key: str) -> Stored:
        """Say what is at the key."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except self._client.exceptions.NoSuchKey:
            return "absent"
        digest = hashlib.sha256()
        for chunk in body.iter_chunks(1024 * 1024):
            digest.update(chunk)
        return "whole" if digest.hexdigest() == DIGEST else "other"

    def _upload_ids(self, key: str) -> list[str]:
        answer = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        return [upload["UploadId"] for upload in answer.get("Uploads", ()) if upload["Key"] == key]

    def _parts(self, key: str, upload_id: str) -> list[Any]:
        try:
            answer = self._client.list_parts(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchUpload":  # it ended in between
                return []
            raise
        return list(answer.get("Parts", ()))
