"""The commands that change objects without a source: ``rm`` and ``cp``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import click

from aios3.cli._shared.exit_codes import ExitCode
from aios3.cli._shared.options import F, SectionedCommand, StoreOptions, attribute_options, json_option, store_options
from aios3.cli._shared.output import show_message, show_receipt, show_text
from aios3.cli._shared.parameter_types import S3_URL
from aios3.cli._shared.session import run
from aios3.cli._shared.targets import S3Url
from aios3.driver import S3StorageDriver
from aios3.models import DeleteOptions, UploadAttributes

__all__ = ["cp", "rm"]


@click.command(cls=SectionedCommand)
@click.argument("urls", type=S3_URL, nargs=-1, required=True, metavar="s3://BUCKET/KEY...")
@click.option("-r", "--recursive", is_flag=True, help="Delete every object whose key begins with the key of the URL.")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--whole-bucket", is_flag=True, help="With -r: allow a URL without a key, which empties the bucket.")
@click.option("--version-id", metavar="ID", help="Version to delete permanently; for one URL.")
@click.option("--if-match", metavar="ETAG", help="Delete only if the object has this ETag; for one URL.")
@store_options
def rm(
    urls: Sequence[S3Url],
    recursive: bool,
    dry_run: bool,
    whole_bucket: bool,
    store: StoreOptions,
    **options: Any,
) -> int:
    """Delete objects. A missing object is not an error."""
    given = cast("DeleteOptions", {name: value for name, value in options.items() if value is not None})
    if given and (recursive or len(urls) > 1):
        raise click.UsageError("--version-id and --if-match are for one object")
    for url in urls:
        if recursive and not url.key and not whole_bucket:
            raise click.UsageError(f"{url} is a whole bucket: to empty it, add --whole-bucket")
        if not recursive:
            url.with_key()

    async def work(driver: S3StorageDriver) -> ExitCode:
        codes = [await _delete(driver, url, given, recursive=recursive, dry_run=dry_run) for url in urls]
        return max(codes)

    return run(store, work)


async def _delete(
    driver: S3StorageDriver, url: S3Url, options: DeleteOptions, *, recursive: bool, dry_run: bool
) -> ExitCode:
    if dry_run:
        async with aclosing(_keys(driver, url, recursive=recursive)) as keys:
            async for key in keys:
                show_text(f"would delete {S3Url(url.bucket, key)}")
        return ExitCode.DONE
    if not recursive:
        await driver.delete_object(url.bucket, url.key, **options)
        return ExitCode.DONE
    async with aclosing(_keys(driver, url, recursive=True)) as keys:
        result = await driver.delete_objects(url.bucket, keys)
    count = "1 object was" if result.deleted == 1 else f"{result.deleted} objects were"
    show_message(f"{url}: {count} deleted")
    for failure in result.failures:
        show_message(f"{S3Url(url.bucket, failure.key)} was not deleted: {failure.code or ''} {failure.message}")
    return ExitCode.REFUSED if result.failures else ExitCode.DONE


async def _keys(driver: S3StorageDriver, url: S3Url, *, recursive: bool) -> AsyncGenerator[str]:
    if not recursive:
        yield url.key
        return
    async with aclosing(driver.iterate_container_objects(url.bucket, prefix=url.key)) as objects:
        async for each in objects:
            yield each.key


def _copied_attributes(function: F) -> F:
    return attribute_options(function, content_type="By default that of the source.")


@click.command(cls=SectionedCommand)
@click.argument("source", type=S3_URL, metavar="s3://BUCKET/KEY")
@click.argument("target", type=S3_URL, metavar="s3://BUCKET/KEY")
@json_option
@click.option("--source-version-id", metavar="ID", help="Version to copy.")
@click.option("--source-if-match", metavar="ETAG", help="Copy only if the source has this ETag.")
@_copied_attributes
@store_options
def cp(
    source: S3Url,
    target: S3Url,
    as_json: bool,
    attributes: UploadAttributes,
    store: StoreOptions,
    **options: Any,
) -> int:
    """Copy an object inside the store: the bytes do not pass this machine. For files use put and get."""
    source.with_key()
    target = target.for_file(source.file_name()) if target.is_prefix else target
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}

    async def work(driver: S3StorageDriver) -> None:
        receipt = await driver.copy_object(source.bucket, source.key, target.bucket, target.key, **attributes, **given)
        show_receipt(receipt, as_json=as_json)

    return run(store, work)
