"""Options that several commands share, in the words of the Python API, and the driver that they describe."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import click

from aios3.cli._shared.parameter_types import DURATION, KEY_FILE, PAIR, SIZE, TIME
from aios3.credentials import ANONYMOUS
from aios3.driver import S3StorageDriver
from aios3.models import UploadAttributes
from aios3.options import RetryPolicy, Timeouts, TransferConfig

__all__ = [
    "F",
    "InOrder",
    "SectionedCommand",
    "StoreOptions",
    "UploadOptions",
    "attribute_options",
    "json_option",
    "store_options",
    "upload_options",
]

F = TypeVar("F", bound=Callable[..., Any])
_KEY_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class _Option(click.Option):
    """Option below a heading of the help."""

    def __init__(self, *names: Any, section: str = "Options", **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.section = section


class InOrder(click.Group):
    """Group whose help lists the commands in the order of their use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their registration."""
        return list(self.commands)


class SectionedCommand(click.Command):
    """Command whose help shows its options under headings: its own first, those of all commands last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _option(section: str, *names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, cls=_Option, section=section, **settings)


def _with_options(options: Sequence[Callable[[F], F]], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The store, and the way to it."""

    provider: str | None
    endpoint_url: str | None
    region: str | None
    profile: str | None
    anonymous: bool
    addressing: str | None
    proxy: str | None
    trust_env: bool
    journal: str | None
    max_attempts: int | None

    def make_driver(self, transfer: TransferConfig | None = None, timeouts: Timeouts | None = None) -> S3StorageDriver:
        """Return a driver for the store.

        Args:
            transfer: options of parts; ``None`` takes the driver's own.
            timeouts: limits of stalls; ``None`` takes the driver's own.

        Raises:
            ConfigurationError: an option is out of range, or does not suit the provider.
        """
        given: dict[str, Any] = {
            "transfer": transfer,
            "timeouts": timeouts,
            "credentials": ANONYMOUS if self.anonymous else None,
            "retry": None if self.max_attempts is None else RetryPolicy(max_attempts=self.max_attempts),
        }
        return S3StorageDriver(
            self.provider,
            endpoint_url=self.endpoint_url,
            region=self.region,
            addressing=cast("Any", self.addressing),
            proxy=self.proxy,
            trust_env=self.trust_env,
            journal=self.journal,
            **{name: value for name, value in given.items() if value is not None},
        )

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Let the variables of this process name the profile, inside the block.

        Keys in variables come before a profile that a variable names, but not before one that the user has typed.
        """
        before = dict(os.environ)
        if self.profile is not None:
            os.environ["AWS_PROFILE"] = self.profile
            for name in _KEY_VARIABLES:
                os.environ.pop(name, None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


_STORE: Final = "Store"
_STORE_OPTIONS: Final = (
    _option(_STORE, "--provider", metavar="NAME", help="Kind of store: aws, google, minio ... By default generic."),
    _option(_STORE, "--endpoint-url", metavar="URL", help="By default AWS_ENDPOINT_URL, or the provider's own."),
    _option(_STORE, "--region", metavar="NAME", help="By default AWS_REGION, or the profile's."),
    _option(_STORE, "--profile", metavar="NAME", help="Profile of ~/.aws; it comes before keys in variables."),
    _option(_STORE, "--anonymous", is_flag=True, help="Send unsigned requests."),
    _option(
        _STORE, "--addressing", type=click.Choice(["virtual", "path", "cname"]),
        help="Place of the bucket in URLs: host name or path.",
    ),
    _option(_STORE, "--proxy", metavar="URL", help="HTTP proxy for the requests."),
    _option(_STORE, "--trust-env", is_flag=True, help="Use https_proxy and similar variables."),
    _option(_STORE, "--max-attempts", type=int, metavar="N", help="Attempts for each request; 1 never retries."),
    _option(
        _STORE, "--journal", metavar="DIR", type=click.Path(file_okay=False),
        help="Directory that records open uploads. A signal then leaves them open, and a later command resumes them.",
    ),
)  # fmt: skip
_STORE_NAMES: Final = tuple(StoreOptions.__dataclass_fields__)


def store_options(function: F) -> F:
    """Add the options of the store to a command, which receives them as `StoreOptions`, named ``store``."""

    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        store = StoreOptions(**{name: named.pop(name) for name in _STORE_NAMES})
        return function(*args, store=store, **named)

    return _with_options(_STORE_OPTIONS, cast("F", wrapper))


def json_option(function: F) -> F:
    """Add ``--json`` to a command, which receives it as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write each result as one line of JSON.")(function)


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """Options of one upload beside the attributes of the object."""

    part_size: int | None
    concurrency: int | str | None
    memory_limit: int | None
    checksum: str | None
    part_growth: str | None
    mechanism: str | None
    nonce: bool
    source_timeout: Any

    def transfer(self) -> TransferConfig | None:
        """Return the options of parts; ``None`` if none is given, so the provider's recommendation counts.

        Raises:
            ConfigurationError: a value is out of range.
        """
        named = ("part_size", "concurrency", "memory_limit", "part_growth", "mechanism")
        given: dict[str, Any] = {name: value for name in named if (value := getattr(self, name)) is not None}
        if self.nonce:
            given["nonce"] = True
        if self.checksum is not None:
            given["checksum"] = None if self.checksum == "none" else self.checksum
        return TransferConfig(**given) if given else None

    def timeouts(self) -> Timeouts | None:
        """Return the limits of stalls; ``None`` if none is given."""
        return None if self.source_timeout is None else Timeouts(source=self.source_timeout.total_seconds())


class _Concurrency(click.ParamType):  # type: ignore[type-arg] # older versions of click have no type argument
    name = "n|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "auto" or isinstance(value, int):
            return cast("int | str", value)
        if not value.isdecimal():
            self.fail(f"{value!r} is not a number: write 8, or auto", param, ctx)
        return int(value)


_UPLOAD: Final = "Transfer"
_CHECKSUMS: Final = ["auto", "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5", "none"]
_UPLOAD_OPTIONS: Final = (
    _option(_UPLOAD, "--part-size", type=SIZE, metavar="SIZE", help="Bytes of the first parts, such as 16MiB."),
    _option(_UPLOAD, "--concurrency", type=_Concurrency(), metavar="N|auto", help="Parts in flight for each upload."),
    _option(_UPLOAD, "--memory-limit", type=SIZE, metavar="SIZE", help="Source bytes in memory, for all uploads."),
    _option(_UPLOAD, "--checksum", type=click.Choice(_CHECKSUMS), help="Checksum that the store compares."),
    _option(
        _UPLOAD, "--part-growth", type=click.Choice(["auto", "fixed"]),
        help="fixed gives all parts one size; auto lets them grow.",
    ),
    _option(
        _UPLOAD, "--mechanism", type=click.Choice(["auto", "multipart", "stream"]),
        help="Upload in parts, or in one request.",
    ),
    _option(_UPLOAD, "--nonce", is_flag=True, help="Mark the object, to recognise it after a lost response."),
    _option(_UPLOAD, "--source-timeout", type=DURATION, metavar="TIME", help="Longest wait for bytes of the source."),
)  # fmt: skip
_UPLOAD_NAMES: Final = tuple(UploadOptions.__dataclass_fields__)


def upload_options(function: F) -> F:
    """Add the options of a transfer to a command, which receives them as `UploadOptions`, named ``upload``."""

    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        upload = UploadOptions(**{name: named.pop(name) for name in _UPLOAD_NAMES})
        return function(*args, upload=upload, **named)

    return _with_options(_UPLOAD_OPTIONS, cast("F", wrapper))


_OBJECT: Final = "Object"
_ATTRIBUTES: Final[Mapping[str, Mapping[str, Any]]] = {
    "content_type": {},
    "cache_control": {},
    "content_disposition": {},
    "content_encoding": {},
    "content_language": {},
    "expires": {},
    "metadata": {"type": PAIR, "multiple": True, "help": "User metadata; may be repeated."},
    "tags": {"type": PAIR, "multiple": True, "help": "Tag; may be repeated."},
    "acl": {"metavar": "NAME"},
    "storage_class": {"metavar": "NAME"},
    "server_side_encryption": {"metavar": "NAME", "help": "AES256, aws:kms or aws:kms:dsse."},
    "sse_kms_key_id": {"metavar": "ID"},
    "sse_kms_context": {"type": PAIR, "multiple": True},
    "sse_bucket_key": {"is_flag": True, "default": None},
    "sse_customer_key": {"type": KEY_FILE, "metavar": "FILE", "help": "File with the key of 32 bytes."},
    "object_lock_mode": {"type": click.Choice(["GOVERNANCE", "COMPLIANCE"])},
    "object_lock_retain_until": {"type": TIME, "metavar": "TIME"},
    "object_lock_legal_hold": {"is_flag": True, "default": None},
    "website_redirect_location": {},
    "if_none_match": {"is_flag": True, "help": "Commit only if the key does not exist: the store decides."},
    "if_match": {"metavar": "ETAG", "help": "Commit only if the object at the key has this ETag."},
    "request_payer": {},
    "expected_bucket_owner": {"metavar": "ACCOUNT"},
}


def _attribute_option(name: str, settings: Mapping[str, Any]) -> Callable[[F], F]:
    is_flag = settings.get("is_flag", False)
    metavar = {} if is_flag or ("type" in settings and "metavar" not in settings) else {"metavar": "TEXT"}
    return _option(_OBJECT, f"--{name.replace('_', '-')}", **{**metavar, **settings})


def attribute_options(function: F, *, content_type: str = "By default guessed from the key.") -> F:
    """Add the attributes of an object to a command, which receives the given ones as ``attributes``.

    Args:
        function: the command.
        content_type: help of ``--content-type``.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        given = {name: _attribute(name, named.pop(name)) for name in _ATTRIBUTES}
        attributes = {name: value for name, value in given.items() if value is not None}
        return function(*args, attributes=cast("UploadAttributes", attributes), **named)

    known = {**_ATTRIBUTES, "content_type": {"help": content_type}}
    return _with_options([_attribute_option(name, settings) for name, settings in known.items()], cast("F", wrapper))


def _attribute(name: str, value: Any) -> Any:
    """Return the value that the library takes; ``None`` if the option is not given."""
    if isinstance(value, tuple):
        return dict(value) or None
    if name == "if_none_match":
        return "*" if value else None
    return value
