"""The commands ``uploads ls|abort|resume|recover``, for uploads that were begun and not ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from aios3.checkpoints import MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.cli._commands.producer import CommandWithProducer
from aios3.cli._files.sources import standard_input, the_output_of
from aios3.cli._shared.exit_codes import ExitCode
from aios3.cli._shared.options import InOrder, SectionedCommand, StoreOptions, json_option, store_options
from aios3.cli._shared.output import format_size, show_error, show_json, show_raw, show_receipt, show_text
from aios3.cli._shared.parameter_types import DURATION, KEY_FILE, S3_URL
from aios3.cli._shared.progress import Kind, make_display, progress_option
from aios3.cli._shared.session import run
from aios3.cli._shared.targets import S3Url, is_s3_url
from aios3.cli._shared.threads import in_daemon_thread
from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError
from aios3.models import PendingUpload

__all__ = ["uploads"]


@click.group(cls=InOrder)
def uploads() -> None:
    """List, abort, resume or recover open uploads, whose parts are billed."""


@uploads.command("ls", cls=SectionedCommand, short_help="List open uploads, or the checkpoints of a journal.")
@click.argument("url", type=S3_URL, required=False, metavar="[s3://BUCKET[/PREFIX]]")
@json_option
@store_options
def list_uploads(url: S3Url | None, as_json: bool, store: StoreOptions) -> int:
    """List the open uploads of a bucket, or with --journal the checkpoints of uploads that can be resumed.

    With --json each checkpoint is a line that "aios3 uploads resume" takes.
    """
    if (url is None) == (store.journal is None):
        raise click.UsageError("name a bucket, or a journal by --journal")

    async def work(driver: S3StorageDriver) -> None:
        if url is None:
            for checkpoint in await driver.find_checkpoints():
                show_raw(checkpoint.to_json()) if as_json else show_text(_checkpoint_line(checkpoint))
            return
        async with aclosing(driver.iterate_multipart_uploads(url.bucket, prefix=url.key)) as found:
            async for upload in found:
                show_json(asdict(upload)) if as_json else show_text(_line(upload))

    return run(store, work)


def _line(upload: PendingUpload) -> str:
    time = "" if upload.initiated_at is None else f"{upload.initiated_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{time:>20}  {S3Url(upload.bucket, upload.key)}  {upload.upload_id}"


def _checkpoint_line(checkpoint: UploadCheckpoint) -> str:
    return f"{format_size(checkpoint.offset):>20}  {S3Url(checkpoint.bucket, checkpoint.key)}  {checkpoint.upload_id}"


@uploads.command(cls=SectionedCommand, short_help="Abort one open upload, or all old ones.")
@click.argument("url", type=S3_URL, metavar="s3://BUCKET[/PREFIX]")
@click.option("--older-than", type=DURATION, metavar="TIME", help="Abort uploads older than this, such as 2d.")
@click.option("--upload-id", metavar="ID", help="Abort this upload of the key.")
@click.option(
    "--dry-run", is_flag=True, help="With --older-than: only show what would be aborted, by this machine's clock."
)
@json_option
@store_options
def abort(
    url: S3Url,
    older_than: timedelta | None,
    upload_id: str | None,
    dry_run: bool,
    as_json: bool,
    store: StoreOptions,
) -> int:
    """Abort one open upload, or all old ones whose keys begin with the prefix, and prove that nothing remained.

    aios3 cannot see which uploads still run in other processes: choose an age that none of them reaches.
    """
    if (older_than is None) == (upload_id is None):
        raise click.UsageError("name the uploads to abort: --older-than 2d, or --upload-id ID")
    if upload_id is not None:
        if dry_run:
            raise click.UsageError("--dry-run belongs to --older-than")
        upload = MultipartUpload(url.bucket, url.with_key().key, upload_id, part_size=1)
        return run(store, lambda driver: driver.abort_multipart_upload(upload))

    async def work(driver: S3StorageDriver) -> None:
        assert older_than is not None
        if dry_run:
            async for upload in _older(driver, url, older_than):
                show_json(asdict(upload)) if as_json else show_text(_line(upload))
            return
        for aborted in await driver.cleanup_multipart_uploads(url.bucket, prefix=url.key, older_than=older_than):
            show_json(asdict(aborted)) if as_json else show_text(_line(aborted))

    return run(store, work)


async def _older(driver: S3StorageDriver, url: S3Url, older_than: timedelta) -> AsyncGenerator[PendingUpload]:
    limit = datetime.now(UTC) - older_than
    async with aclosing(driver.iterate_multipart_uploads(url.bucket, prefix=url.key)) as found:
        async for upload in found:
            if upload.initiated_at is not None and upload.initiated_at <= limit:
                yield upload


_RESUME_EPILOG: Final = """\b
Examples:
  aios3 put big.mkv s3://videos/ --journal ~/.aios3 > checkpoint   (Ctrl-C: exit code 6)
  aios3 uploads resume checkpoint big.mkv
  aios3 uploads resume --journal ~/.aios3 s3://videos/big.mkv big.mkv
"""


@uploads.command(cls=CommandWithProducer, epilog=_RESUME_EPILOG)
@click.argument("checkpoint", metavar="CHECKPOINT|s3://BUCKET/KEY")
@click.argument("source", required=False, metavar="[FILE | -] [-- COMMAND ARGS...]")
@click.option("--sse-customer-key", type=KEY_FILE, metavar="FILE", help="Key with which the upload began.")
@json_option
@progress_option
@store_options
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    checkpoint: str,
    source: str | None,
    sse_customer_key: bytes | None,
    as_json: bool,
    progress: Kind,
    store: StoreOptions,
) -> int:
    """Resume an upload that was left open, and commit it.

    CHECKPOINT is the line that a command printed before exit code 6, or a file with that line. With a URL the
    checkpoint comes from the --journal. A file is compared with the stored parts first. If it differs, it is uploaded
    from the start. Standard input (-) and a command must begin at the byte where the checkpoint ends, which "aios3
    uploads ls --journal" shows.
    """
    if (source is None) == (ctx.obj is None):
        raise click.UsageError("name one source: a file, - for standard input, or a command after --")
    path = source or ""
    rest = _stream(source, ctx.obj)
    access: Any = {} if sse_customer_key is None else {"sse_customer_key": sse_customer_key}

    async def work(driver: S3StorageDriver) -> None:
        found = await _find(driver, checkpoint, store)
        where = found.bucket, found.key
        with make_display(progress) as display, display.following(str(S3Url(*where))) as on_progress:
            if rest is None:
                receipt = await driver.upload_object(path, *where, resume=found, on_progress=on_progress, **access)
            else:
                receipt = await driver.upload_object_via_stream(
                    rest, *where, resume=found, on_progress=on_progress, **access
                )
        show_receipt(receipt, as_json=as_json)

    return run(store, work)


def _stream(source: str | None, command: Sequence[str] | None) -> Any:
    """Return the source that is no file; ``None`` for a file."""
    if command is not None:
        return the_output_of(command)
    return standard_input() if source == "-" else None


async def _find(driver: S3StorageDriver, text: str, store: StoreOptions) -> UploadCheckpoint:
    """Return the checkpoint that a word of the command line means.

    Raises:
        ConfigurationError: the word is none, or the journal has no upload, or several, of that key.
    """
    if not is_s3_url(text):
        line = text if text.startswith("{") else await in_daemon_thread(lambda: Path(text).read_text("utf-8"))
        return UploadCheckpoint.from_json(line)
    if store.journal is None:
        raise ConfigurationError(f"to find the checkpoint of {text} in a journal, add --journal DIR")
    url = S3Url.parse(text)
    found = [each for each in await driver.find_checkpoints() if (each.bucket, each.key) == (url.bucket, url.key)]
    if len(found) != 1:
        raise ConfigurationError(f"the journal has {len(found)} open uploads of {text}, but resume needs exactly one")
    return found[0]


@uploads.command(cls=SectionedCommand, short_help="Abort or complete what dead processes left open.")
@click.option("--resume", is_flag=True, help="Complete uploads of files that have not changed.")
@json_option
@store_options
def recover(resume: bool, as_json: bool, store: StoreOptions) -> int:
    """End all uploads in the --journal that dead processes have left open.

    Without --resume aios3 aborts them all. With it, aios3 completes uploads of files that have not changed, and aborts
    the others.
    """
    if store.journal is None:
        raise click.UsageError("name the journal: --journal DIR")

    async def work(driver: S3StorageDriver) -> ExitCode:
        ended = await driver.recover(resume=resume)
        for each in ended:
            _show_recovered(each, as_json=as_json)
        return ExitCode.REFUSED if any(each.outcome == "failed" for each in ended) else ExitCode.DONE

    return run(store, work)


def _show_recovered(ended: RecoveredUpload, *, as_json: bool) -> None:
    url = S3Url(ended.bucket, ended.key)
    if as_json:
        receipt = None if ended.receipt is None else asdict(ended.receipt)
        known = {"bucket": ended.bucket, "key": ended.key, "upload_id": ended.upload_id, "outcome": ended.outcome}
        show_json({**known, "receipt": receipt, "error": None if ended.error is None else str(ended.error)})
        return
    show_text(f"{url}: {ended.outcome}")
    if ended.error is not None:
        show_error(ended.error, str(url))
