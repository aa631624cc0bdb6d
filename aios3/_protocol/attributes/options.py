"""Conversion of the options of reads, deletions and listings to headers and the query of their requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .encoding import read_customer_key, read_etag, read_name, read_text

__all__ = ["NO_OPTIONS", "RequestOptions", "read_options"]

_HEADERS_BY_OPTION: Final[Mapping[str, Callable[[str, object], Mapping[str, str]]]] = {
    "sse_customer_key": read_customer_key,
    "if_match": read_etag("if-match"),
    "request_payer": read_text("x-amz-request-payer"),
    "expected_bucket_owner": read_text("x-amz-expected-bucket-owner"),
}
_OF_READS: Final = frozenset({"if_match"})
"""Options that reads obey although an upload attribute of that name may be refused."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Options of one call, as its requests carry them."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers by lower-case name; they may hold a customer key."""
    version_id: str | None = None
    """Version that the requests mean; ``None`` means the current one."""

    @property
    def has_customer_key(self) -> bool:
        """Whether the requests carry a key that must not be sent over http."""
        return any("customer-key" in name for name in self.headers)


NO_OPTIONS: Final = RequestOptions()


def read_options(kind: type, options: Mapping[str, object], provider: Provider) -> RequestOptions:
    """Return the options of a call. ``None`` is the same as no entry.

    Args:
        kind: the `TypedDict` that names the options of the call.
        options: the options, which are not changed.
        provider: the kind of store.

    Raises:
        TypeError: the call has no option of that name.
        ConfigurationError: the provider does not take an option, or its value cannot be sent.
    """
    if not options:
        return NO_OPTIONS
    if unknown := options.keys() - kind.__annotations__.keys():
        known = ", ".join(sorted(kind.__annotations__))
        raise TypeError(f"there is no option {', '.join(map(repr, sorted(unknown)))} here; known are: {known}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name in provider.refused_attributes - _OF_READS or (name == "version_id" and provider.versions is False):
            raise ConfigurationError(f"provider {provider.name!r} does not take the option {name!r}")
    version_id = read_name("version_id", given.pop("version_id")) if "version_id" in given else None
    headers: dict[str, str] = {}
    for name, value in given.items():
        headers.update(_HEADERS_BY_OPTION[name](name, value))
    return RequestOptions(headers, version_id)
