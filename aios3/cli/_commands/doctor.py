"""The command ``doctor``, which examines a bucket and its store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Final

import click

from aios3.cli._shared.exit_codes import ExitCode, most_important
from aios3.cli._shared.options import SectionedCommand, StoreOptions, json_option, store_options
from aios3.cli._shared.output import show_json, show_message, show_text
from aios3.cli._shared.parameter_types import S3_URL
from aios3.cli._shared.session import run
from aios3.cli._shared.targets import S3Url
from aios3.doctor import PREFIX, Finding, examine_bucket
from aios3.driver import S3StorageDriver
from aios3.options import Timeouts

__all__ = ["doctor"]

_TIMEOUTS: Final = Timeouts(connect=5, send=10, read=10, complete=30, cleanup=10)
"""Seconds. A dead endpoint is known after the first of them."""
_CODES: Final = {
    "store": ExitCode.REFUSED,
    "configuration": ExitCode.USAGE,
    "no response": ExitCode.NO_RESPONSE,
}


@click.command(cls=SectionedCommand, short_help="Find out what works with a bucket, and what its store obeys.")
@click.argument("url", type=S3_URL, metavar="s3://BUCKET")
@json_option
@store_options
def doctor(url: S3Url, as_json: bool, store: StoreOptions) -> int:
    """Find out what works with a bucket, and what its store obeys. Sends some 25 requests and about 10 MiB.

    You can examine a bucket in use: aios3 writes one random key below .aios3-doctor/, and always removes it. Exit
    codes: 0 no problem (there may be warnings), 1 the store refused something, 2 the configuration is wrong, 4 the
    store does not respond.
    """
    if url.key:
        raise click.UsageError(f"name the bucket alone: s3://{url.bucket}")
    if not as_json:
        written = f"the examination writes one scratch key below {PREFIX}, and removes it"
        show_message(f"examining s3://{url.bucket}; {written}")

    async def work(driver: S3StorageDriver) -> ExitCode:
        found = await examine_bucket(driver, url.bucket, report=_show_json if as_json else _show)
        return exit_code_for(found)

    # a journal would turn a signal into the end of the driver, which then could not remove the scratch key
    return run(replace(store, journal=None), work, timeouts=_TIMEOUTS)


def exit_code_for(findings: Iterable[Finding]) -> ExitCode:
    """Return the exit code of an examination: that of the problem to act on first."""
    return most_important({_CODES[each.cause] for each in findings if each.level == "problem"})


def _show_json(finding: Finding) -> None:
    show_json(asdict(finding))


def _show(finding: Finding) -> None:
    show_text(f"{finding.level:<8} {finding.subject}: {finding.text}")
    if finding.advice:
        show_text(f"{'':<8} -> {finding.advice}")
