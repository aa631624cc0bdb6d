"""The commands that read: ``get``, ``cat``, ``ls``, ``stat`` and ``url``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final, cast

import click

from aios3.cli._files.sources import write_to_standard_output
from aios3.cli._shared.options import F, SectionedCommand, StoreOptions, attribute_options, json_option, store_options
from aios3.cli._shared.output import show_json, show_raw, show_text
from aios3.cli._shared.parameter_types import DURATION, KEY_FILE, S3_URL, SIZE
from aios3.cli._shared.session import run
from aios3.cli._shared.targets import S3Url
from aios3.driver import S3StorageDriver
from aios3.models import CommonPrefix, Container, ReadOptions, StorageObject, UploadAttributes

__all__ = ["cat", "get", "ls", "stat", "url"]

_READ_OPTIONS: Final = (
    click.option("--version-id", metavar="ID", help="Version to read."),
    click.option("--if-match", metavar="ETAG", help="Read only if the object has this ETag."),
    click.option("--sse-customer-key", type=KEY_FILE, metavar="FILE", help="File with the key of 32 bytes."),
    click.option("--request-payer", metavar="TEXT"),
    click.option("--expected-bucket-owner", metavar="ACCOUNT"),
)


def _read_options(function: F) -> F:
    for option in reversed(_READ_OPTIONS):
        function = option(function)
    return function


def _given(options: dict[str, Any]) -> ReadOptions:
    return cast("ReadOptions", {name: value for name, value in options.items() if value is not None})


@click.command(cls=SectionedCommand, short_help="Download an object to a file.")
@click.argument("url", type=S3_URL, metavar="s3://BUCKET/KEY")
@click.argument("path", required=False, type=click.Path(), metavar="[PATH]")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
@_read_options
@store_options
def get(url: S3Url, path: str | None, overwrite: bool, as_json: bool, store: StoreOptions, **options: Any) -> int:
    """Download an object to PATH, where the file appears only when it is complete.

    Without PATH, or if PATH is a directory, the file gets its name from the end of the key. - is standard output.
    """
    url.with_key()
    if path == "-":
        return run(store, lambda driver: _write_out(driver, url, None, None, _given(options)))
    if path is None or os.path.isdir(path):
        path = os.path.join(path or "", url.file_name())
    target = path

    async def work(driver: S3StorageDriver) -> None:
        found = await driver.download_object(url.bucket, url.key, target, overwrite=overwrite, **_given(options))
        if as_json:
            show_json({**asdict(found), "path": target})
        else:
            show_text(f"{target}: {found.size} bytes, etag {found.etag}")

    return run(store, work)


@click.command(cls=SectionedCommand)
@click.argument("url", type=S3_URL, metavar="s3://BUCKET/KEY")
@click.option("--start", type=SIZE, metavar="OFFSET", help="Offset of the first byte.")
@click.option("--end", type=SIZE, metavar="OFFSET", help="Offset behind the last byte.")
@_read_options
@store_options
def cat(url: S3Url, start: int | None, end: int | None, store: StoreOptions, **options: Any) -> int:
    """Write the bytes of an object to standard output."""
    url.with_key()
    return run(store, lambda driver: _write_out(driver, url, start, end, _given(options)))


async def _write_out(
    driver: S3StorageDriver, url: S3Url, start: int | None, end: int | None, options: ReadOptions
) -> None:
    async with driver.open_object(url.bucket, url.key, start=start, end=end, **options) as chunks:
        async for chunk in chunks:
            await write_to_standard_output(chunk)


@click.command(cls=SectionedCommand, short_help="List buckets or objects.")
@click.argument("url", type=S3_URL, required=False, metavar="[s3://BUCKET[/PREFIX]]")
@click.option("-r", "--recursive", is_flag=True, help="List every key instead of common prefixes.")
@json_option
@store_options
def ls(url: S3Url | None, recursive: bool, as_json: bool, store: StoreOptions) -> int:
    """List buckets, or the objects whose keys begin with a prefix, one a line."""

    async def work(driver: S3StorageDriver) -> None:
        async with aclosing(_listing(driver, url, recursive)) as entries:  # type: ignore[type-var]
            async for entry in entries:
                show_json(asdict(entry)) if as_json else show_text(_line(entry))

    return run(store, work)


def _listing(
    driver: S3StorageDriver, url: S3Url | None, recursive: bool
) -> AsyncIterator[Container | StorageObject | CommonPrefix]:
    if url is None:
        return driver.iterate_containers()
    if recursive:
        return driver.iterate_container_objects(url.bucket, prefix=url.key)
    return driver.iterate_container_objects(url.bucket, prefix=url.key, delimiter="/")


def _line(entry: Container | StorageObject | CommonPrefix) -> str:
    if isinstance(entry, Container):
        return str(S3Url(entry.name))
    if isinstance(entry, CommonPrefix):
        return f"{'':>20} {'':>14}  {S3Url(entry.bucket, entry.prefix)}"
    time = "" if entry.last_modified is None else f"{entry.last_modified:%Y-%m-%dT%H:%M:%SZ}"
    return f"{time:>20} {entry.size:>14}  {S3Url(entry.bucket, entry.key)}"


@click.command(cls=SectionedCommand)
@click.argument("url", type=S3_URL, metavar="s3://BUCKET/KEY")
@json_option
@_read_options
@store_options
def stat(url: S3Url, as_json: bool, store: StoreOptions, **options: Any) -> int:
    """Describe an object: size, ETag, type, metadata. For s3://BUCKET only check that it exists."""

    async def work(driver: S3StorageDriver) -> None:
        found = await (
            driver.get_object(url.bucket, url.key, **_given(options)) if url.key else driver.get_container(url.bucket)
        )
        known = asdict(found)
        if as_json:
            show_json(known)
            return
        metadata = known.pop("metadata", {})
        for name, value in [*known.items(), *((f"metadata {name}", value) for name, value in metadata.items())]:
            if value is not None:
                show_text(f"{name}: {value}")

    return run(store, work)


def _signed_attributes(function: F) -> F:
    return attribute_options(function, content_type="With --upload: type that the PUT must name.")


@click.command(cls=SectionedCommand)
@click.argument("url", type=S3_URL, metavar="s3://BUCKET/KEY")
@click.option(
    "--expires-in",
    type=DURATION,
    default="1h",
    metavar="TIME",
    help="Time until the URL expires. By default 1h, at most 7d.",
)
@click.option("--upload", is_flag=True, help="Make a URL that takes a PUT with these attributes as headers.")
@click.option("--public", is_flag=True, help="Write the URL without a signature, for public objects.")
@click.option("--base-url", metavar="URL", help="With --public: the URL of a CDN.")
@_signed_attributes
@store_options
def url(
    url: S3Url,
    expires_in: timedelta,
    upload: bool,
    public: bool,
    base_url: str | None,
    attributes: UploadAttributes,
    store: StoreOptions,
) -> int:
    """Write a presigned URL, with which anyone can read the object. Keep it secret until it expires."""
    url.with_key()
    if attributes and not upload:
        raise click.UsageError("attributes need --upload")
    if base_url and not public:
        raise click.UsageError("--base-url needs --public: a signature holds only for the store's own host")

    async def work(driver: S3StorageDriver) -> None:
        if public:
            show_raw(await driver.get_object_cdn_url(url.bucket, url.key, base_url=base_url))
        elif upload:
            show_raw(await driver.create_upload_url(url.bucket, url.key, expires_in=expires_in, **attributes))
        else:
            show_raw(await driver.create_download_url(url.bucket, url.key, expires_in=expires_in))

    return run(store, work)
