"""How S3-compatible stores differ, as data.

A difference in a number or a yes/no is a field of `Provider`; a user's own
store is a `Provider` of their own, or ``dataclasses.replace`` of a known one.
A field of which nothing is known holds the careful value.

The facts and their sources are in ``aios3/_providers/providers.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from aios3._providers.table import ROWS
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes
from aios3.options import GIB, MIB

__all__ = ["PROVIDERS", "Provider", "find_provider"]

_VARIANTS: Final = frozenset({"dualstack", "fips", "accelerate"})
_CHECKSUMS: Final = frozenset({"crc32", "crc32c", "crc64nvme", "sha1", "sha256"})


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigurationError(message)


@dataclass(frozen=True, slots=True)
class Provider:
    """What one kind of store takes and how it is reached. All sizes are bytes.

    A field that is ``None`` beside two other values means that it is not known.

    Raises:
        ConfigurationError: fields are out of range or contradict each other.
    """

    name: str
    endpoint: str | None = None
    """URL pattern with ``{region}``, or ``None`` where only the caller can know the host. With ``{zone}`` it is for
    what is in a bucket, whose name tells the zone."""
    control_endpoint: str | None = None
    """URL pattern of the endpoint that makes, removes and lists buckets, where that is another; buckets are named by
    path there."""
    default_region: str = "us-east-1"
    """The region to sign for when the caller names none."""
    addressing: Literal["virtual", "path"] = "path"
    """``"virtual"`` puts the bucket into the host name. Buckets with dots, IP addresses and localhost are always
    addressed by path."""
    min_part_size: int = 5 * MIB
    """Least size of a part that is not the last."""
    max_part_size: int = 5 * GIB
    """Also the most for one PutObject, which never holds more than a part here."""
    max_parts: int = 10_000
    equal_parts: bool = False
    """All parts but the last must have one size, so parts cannot grow."""
    needs_location: bool = False
    """CreateBucket must name the region in its body, unless it is `default_region`."""
    complete_etag_is_final: bool = False
    """CompleteMultipartUpload answers with the ETag that HEAD will report. Otherwise the receipt looks it up, which
    costs one HEAD per multipart upload."""
    signs_payload_over_tls: bool = False
    """UNSIGNED-PAYLOAD is not taken, or not known to be taken, over https either."""
    checksums: frozenset[str] = frozenset()
    """Additional checksum headers (``x-amz-checksum-...``) that are known to be taken."""
    refused_attributes: frozenset[str] = frozenset()
    """Upload attributes that the store refuses or silently ignores; asking for one is a `ConfigurationError`."""
    endpoint_form: str | None = None
    """Where `endpoint` is ``None``: what an ``endpoint_url`` looks like, with more in braces than the region; for
    people to read. ``None`` where it can be any host."""
    endpoint_variants: tuple[tuple[frozenset[str], str], ...] = ()
    """Patterns to use instead of `endpoint`, each after what is asked of it: ``"dualstack"``, ``"fips"``,
    ``"accelerate"``, alone or together. Those that accelerate are reached by subdomain only, and not for making,
    deleting and listing buckets."""
    endpoint_aliases: tuple[str, ...] = ()
    """Patterns of further hosts of the store, which are known when they are met (in ``endpoint_url``, or in a
    redirect) but never chosen."""
    region_required: bool = False
    """Every region has a host of its own and none is the usual one: without a region there is no endpoint."""
    checks_region: bool | None = None
    """Whether a signature for another region than the store's is refused; for `aios3.testing`, which takes any where
    it is ``False``."""
    https_only: bool = False
    signing_service: Literal["s3", "s3express"] = "s3"
    """The service in the signature's scope. With ``"s3express"`` requests are signed with a session's credentials."""
    multipart: bool = True
    """``False``: there are no multipart uploads, and an object goes in one PutObject."""
    recommended_part_size: int | None = None
    """The part size to use when the caller chooses none; ``None``: any that the limits allow."""
    max_object_size: int | None = None
    """``None``: not known, so the store itself has to refuse what is too large."""
    reorder_buffer: int | None = None
    """Parts are stored in order, and of those that come before their turn the store holds this many bytes; what is
    beyond that stalls, so ``concurrency`` times the part size should stay below. ``None``: in any order."""
    lists_uploads_by_exact_key: bool = False
    """ListMultipartUploads finds uploads only if the prefix is the whole key, or empty; then both are asked for."""
    lists_by_folder: bool = False
    """Listings take a prefix only if it ends in a slash; so more is asked for, and what was not meant is left out."""
    aborts_uploads_after: timedelta | None = None
    """Age, or time without a request, at which the store by itself aborts an open upload; ``None``: never, or not
    known (then it is in `unknown`). Lifecycle rules come on top. A note says so when the store has lost an upload."""
    full_object_checksums: frozenset[str] = frozenset()
    """Of `checksums`, those that a multipart upload can have for the whole object (type FULL_OBJECT)."""
    composite_checksums: frozenset[str] = frozenset()
    """Of `checksums`, those that a multipart upload can have of its parts' checksums (type COMPOSITE)."""
    default_checksum: str | None = None
    """Of `checksums`, the one that ``TransferConfig(checksum="auto")`` sends where it can be computed fast; ``None``:
    no one. Only a store that is known to check the whole object has one."""
    checks_object_size: bool = False
    """CompleteMultipartUpload is known to refuse to commit when ``x-amz-mp-object-size`` is another number of bytes
    than its parts have. Otherwise none is sent."""
    content_md5: bool | None = None
    """Whether Content-MD5 is taken. It goes with bodies under an object lock that have no checksum; where it is
    ``False``, asking for such a lock is a `ConfigurationError`."""
    conditional_put: bool | None = None
    """Whether PutObject heeds ``if_none_match`` (and ``if_match``, unless that is refused). Where it is ``False``, a
    condition on an upload that may become a PutObject is a `ConfigurationError`."""
    conditional_complete: bool | None = None
    """Whether CompleteMultipartUpload does, and the same for uploads that may become one."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Who says so, by the name of the field. ``replace`` keeps them, also for the fields that it changes."""

    def __post_init__(self) -> None:
        _require(
            1 <= self.min_part_size <= self.max_part_size, "min_part_size must be positive and not above max_part_size"
        )
        _require(self.max_parts >= 1, "max_parts must be at least 1")
        for name in ("recommended_part_size", "max_object_size", "reorder_buffer"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be positive, or None")
        _require(
            self.endpoint is None or self.endpoint_form is None, "endpoint leaves nothing for endpoint_form to say"
        )
        _require(not self.has_zones or self.control_endpoint is not None, "zones need a control_endpoint beside them")
        _require(self.addressing in ("virtual", "path"), f"unknown addressing {self.addressing!r}")
        _require(self.signing_service in ("s3", "s3express"), f"unknown signing_service {self.signing_service!r}")
        self._check_names()

    def _check_names(self) -> None:
        """Refuse what would be ignored: names that mean nothing, and checksums that are not taken."""
        for variant, _ in self.endpoint_variants:
            _require(bool(variant) and variant <= _VARIANTS, f"unknown endpoint variant: {', '.join(sorted(variant))}")
        unknown = self.checksums - _CHECKSUMS
        _require(not unknown, f"unknown checksums: {', '.join(sorted(unknown))}")
        kinds = self.full_object_checksums | self.composite_checksums
        used = kinds | ({self.default_checksum} if self.default_checksum else set())
        _require(used <= self.checksums, "checksums must hold those of every kind, and the default one")
        unknown = self.refused_attributes - UploadAttributes.__annotations__.keys()
        _require(not unknown, f"there are no upload attributes {', '.join(sorted(unknown))}")

    @property
    def has_zones(self) -> bool:
        """Every bucket is in a zone, which its name tells."""
        return self.endpoint is not None and "{zone}" in self.endpoint

    @property
    def unknown(self) -> frozenset[str]:
        """Names of the fields that nothing is known of, so that their values are careful guesses."""
        return frozenset(each.name for each in fields(self)) - self.sources.keys() - {"name", "sources"}


PROVIDERS: Final = MappingProxyType({name: Provider(name, **facts, sources=sources) for name, facts, sources in ROWS})
"""Every provider known by name."""


def find_provider(provider: Provider | str) -> Provider:
    """Return the provider of that name, or the record itself.

    Raises:
        ConfigurationError: the name is unknown.
    """
    if isinstance(provider, Provider):
        return provider
    try:
        return PROVIDERS[provider]
    except KeyError:
        known = ", ".join(sorted(PROVIDERS))
        raise ConfigurationError(f"unknown provider {provider!r}; known are: {known}") from None
