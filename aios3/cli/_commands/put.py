"""The command ``put``: uploads files, a directory, standard input, or the output of a command."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import click

from aios3.cli._commands.producer import CommandWithProducer
from aios3.cli._files.directory import Directory
from aios3.cli._files.directory_uploads import DirectoryUpload
from aios3.cli._files.file_uploads import FileJob, FileOptions, FileUploads
from aios3.cli._files.sources import standard_input, the_output_of
from aios3.cli._shared.exit_codes import ExitCode, UnusableSourceError
from aios3.cli._shared.options import (
    F,
    StoreOptions,
    UploadOptions,
    attribute_options,
    json_option,
    store_options,
    upload_options,
)
from aios3.cli._shared.output import show_receipt
from aios3.cli._shared.parameter_types import DURATION, SIZE
from aios3.cli._shared.progress import Kind, make_display, progress_option
from aios3.cli._shared.session import run
from aios3.cli._shared.targets import S3Url, is_s3_url
from aios3.directories import wake_ups
from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError
from aios3.models import CommitRequest, UploadAttributes

__all__ = ["put"]

_SHORT: Final = "Upload files, a directory, standard input, or the output of a command."
_EPILOG: Final = """\b
Examples:
  aios3 put talk.mp4 s3://videos/2027/                  the key is 2027/talk.mp4
  aios3 put s3://backup/shop.dump -- pg_dump -Fc shop   committed only if pg_dump succeeds
  tar cz src | aios3 put - s3://backup/src.tgz          a pipe hides tar's exit code: prefer --
  aios3 put -r site s3://www/ --exclude '*.map' --dry-run
  aios3 put -r live s3://videos/live/ --watch           HLS: segments first, playlists last
"""


@dataclass(frozen=True, slots=True)
class _Settings:
    """Options that every kind of source has."""

    attributes: UploadAttributes
    progress: Kind
    as_json: bool
    fail_empty: bool
    jobs: int
    limits: dict[str, Any] = field(default_factory=dict)
    """``size`` and ``max_size``, as far as they are given."""

    def before_commit(self, request: CommitRequest) -> None:
        if self.fail_empty and request.size == 0:
            raise UnusableSourceError(f"the source of {S3Url(request.bucket, request.key)} is empty")

    def uploads(self, driver: S3StorageDriver, display: Any, *, resumes: bool) -> FileUploads:
        options = FileOptions(self.attributes, self.before_commit, self.as_json, resumes, self.jobs)
        return FileUploads(driver, display, options)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Options that only a directory has."""

    recursive: bool
    include: Sequence[str]
    exclude: Sequence[str]
    dry_run: bool
    skip: bool
    watch: bool
    settle: timedelta


_CHOICE_OPTIONS: Final = (
    click.option("-r", "--recursive", is_flag=True, help="Upload a directory; skip equal objects."),
    click.option("--include", multiple=True, metavar="PATTERN", help="With -r: only paths that match one of these."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="With -r: skip these. * also matches /."),
    click.option("--dry-run", is_flag=True, help="With -r: show what would be uploaded."),
    click.option("--skip/--no-skip", default=True, help="With -r: skip files of the same size and MD5 (the default)."),
    click.option("--watch", is_flag=True, help="With -r: continue with new and changed files, until a signal."),
    click.option("--settle", type=DURATION, default="1s", metavar="TIME", help="With --watch: a file that "
                 "has not changed for this time is complete. By default 1s."),
)  # fmt: skip


def _choice_options(function: F) -> F:
    for option in reversed(_CHOICE_OPTIONS):
        function = option(function)
    return function


@click.command(cls=CommandWithProducer, epilog=_EPILOG, short_help=_SHORT, options_metavar="[OPTIONS]")
@click.argument("words", nargs=-1, metavar="[FILE... | - | -r DIRECTORY] s3://BUCKET/KEY [-- COMMAND ARGS...]")
@json_option
@progress_option
@click.option(
    "--size", type=SIZE, metavar="SIZE", help="Exact length of - or of the output; nothing is committed if it differs."
)
@click.option("--max-size", type=SIZE, metavar="SIZE", help="Longest allowed length of - or of the output.")
@click.option("--fail-empty", is_flag=True, help="Commit nothing if there are no bytes.")
@click.option("--jobs", type=click.IntRange(1, 100), default=4, metavar="N", help="Files at once. By default 4.")
@_choice_options
@upload_options
@attribute_options
@store_options
@click.pass_context
def put(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    size: int | None,
    max_size: int | None,
    upload: UploadOptions,
    store: StoreOptions,
    **options: Any,
) -> int:
    """Upload files, standard input (-), or the output of a command: every byte or nothing.

    Words after -- are a command. aios3 commits its output only if it exits with 0, and ends it if the upload fails.
    If the URL ends with a slash, aios3 adds the name of each file to it. With -r it adds the path below the directory.
    Standard output gets a line for each object.
    """
    url, names = _url_and_names(words)
    choice = _Choice(**{name: options.pop(name) for name in _Choice.__dataclass_fields__})
    limits: dict[str, Any] = {
        name: value for name, value in (("size", size), ("max_size", max_size)) if value is not None
    }
    settings = _Settings(**options, limits=limits)
    if ctx.obj is not None:
        _require(not names, "a command after -- is the only source: leave out the files")
        return _put_stream(the_output_of(ctx.obj), url, settings, choice, store, upload)
    if names == ["-"]:
        return _put_stream(standard_input(), url, settings, choice, store, upload)
    _require(not limits, "--size and --max-size are for - and commands: a file has its own size")
    if choice.recursive:
        return _put_directory(names, url, settings, choice, store, upload)
    return _put_files(names, url, settings, choice, store, upload)


def _require(holds: object, message: str) -> None:
    if not holds:
        raise click.UsageError(message)


def _url_and_names(words: Sequence[str]) -> tuple[S3Url, list[str]]:
    *names, last = words or ("",)
    _require(is_s3_url(last), "the last word must be a URL like s3://bucket/key")
    return S3Url.parse(last), names


def _require_no_choice(choice: _Choice) -> None:
    is_used = choice.recursive or choice.include or choice.exclude or choice.dry_run or choice.watch
    _require(
        not is_used, "-r, --include, --exclude, --dry-run and --watch are for directories: aios3 put -r DIRECTORY URL"
    )


def _put_stream(
    source: Any,
    url: S3Url,
    settings: _Settings,
    choice: _Choice,
    store: StoreOptions,
    upload: UploadOptions,
) -> int:
    _require_no_choice(choice)
    _require(not url.is_prefix, f"{url} names no key: write the whole key")

    async def work(driver: S3StorageDriver) -> None:
        with make_display(settings.progress) as display, display.following(str(url)) as on_progress:
            receipt = await driver.upload_object_via_stream(
                source, url.bucket, url.key, on_progress=on_progress, before_commit=settings.before_commit,
                **settings.limits, **settings.attributes,
            )  # fmt: skip
        show_receipt(receipt, as_json=settings.as_json)

    return run(store, work, upload)


def _put_files(
    names: Sequence[str], url: S3Url, settings: _Settings, choice: _Choice, store: StoreOptions, upload: UploadOptions
) -> int:
    _require_no_choice(choice)
    _require(names, "name a file, - for standard input, or a command after --")
    _require("-" not in names, "standard input (-) is a source of its own: leave out the files")
    _require(len(names) == 1 or url.is_prefix, f"several files need a URL that ends with a slash: {url}/")
    for name in names:
        _require(not os.path.isdir(name), f"{name!r} is a directory: aios3 put -r {shlex.quote(name)} {url}")
    jobs = [FileJob(name, url.for_file(name)) for name in names]
    _require(len({job.url for job in jobs}) == len(jobs), "two files of the same name would become one object")

    async def work(driver: S3StorageDriver) -> ExitCode:
        with make_display(settings.progress) as display:
            return await settings.uploads(driver, display, resumes=store.journal is not None).run(jobs)

    return run(store, work, upload)


def _changes(path: str, seconds: float) -> AsyncGenerator[None]:
    try:
        return wake_ups(path, seconds)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def _put_directory(
    names: Sequence[str], url: S3Url, settings: _Settings, choice: _Choice, store: StoreOptions, upload: UploadOptions
) -> int:
    _require(len(names) == 1, "-r takes one directory")
    _require(not (choice.watch and choice.dry_run), "--watch and --dry-run exclude each other")
    _require(
        not (choice.watch and "if_none_match" in settings.attributes),
        "--watch replaces playlists, which --if-none-match refuses",
    )
    directory = Directory(names[0], url, choice.include, choice.exclude)
    settle = choice.settle.total_seconds()
    changes = _changes(names[0], settle / 2) if choice.watch else None

    async def work(driver: S3StorageDriver) -> ExitCode:
        with make_display(settings.progress) as display:
            uploads = settings.uploads(driver, display, resumes=store.journal is not None)
            whole = DirectoryUpload(driver, uploads, directory, upload.part_size, choice.skip)
            if changes is None:
                return await whole.run(dry_run=choice.dry_run)
            async with aclosing(changes):
                return await whole.watch(changes, settle, time.monotonic)

    return run(store, work, upload)
