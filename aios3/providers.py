"""Differences between S3-compatible stores, as data.

A difference in a number or a yes/no is a field of `Provider`. For another store,
make a `Provider`, or change a known one by ``dataclasses.replace``. A field
without a known fact holds the value that is safe for every store.

The facts and their sources are in ``aios3/_providers/providers.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from aios3._providers.toml_reader import ROWS
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
    """Limits, abilities and addresses of one kind of store. All sizes are bytes.

    In a yes/no field, ``None`` means not known.

    Raises:
        ConfigurationError: fields are out of range or contradict each other.
    """

    name: str
    endpoint: str | None = None
    """URL pattern with ``{region}``; ``None`` if only the caller can know the host. A pattern with ``{zone}`` is for
    the objects of a bucket: the bucket's name contains the zone."""
    control_endpoint: str | None = None
    """URL pattern of the separate endpoint that creates, deletes and lists buckets, by path; ``None`` for none."""
    default_region: str = "us-east-1"
    """Region to sign for if the caller names none."""
    has_one_region: bool = False
    """``True`` if the store has only the region `default_region`. Then AWS_REGION and profiles mean another store, and
    do not count."""
    addressing: Literal["virtual", "path"] = "path"
    """``"virtual"`` puts the bucket into the host name. Buckets with dots, IP addresses and localhost are always
    addressed by path."""
    foreign_addressing: Literal["virtual", "path"] | None = None
    """Addressing on hosts that no pattern of this record fits; ``None`` takes `addressing`."""
    min_part_size: int = 5 * MIB
    """Minimum size of a part that is not the last."""
    max_part_size: int = 5 * GIB
    """Maximum size of a part, and of one PutObject."""
    max_parts: int = 10_000
    """Maximum number of parts of one object."""
    max_copy_size: int = 5 * GIB
    """Limit of one CopyObject, and of one part that is copied. Larger objects are copied in parts."""
    equal_parts: bool = False
    """``True`` if all parts except the last must have the same size, so parts cannot grow."""
    needs_location: bool = False
    """``True`` if CreateBucket must name the region in its body, unless it is `default_region`."""
    complete_etag_is_final: bool = False
    """``True`` if CompleteMultipartUpload returns the ETag that HEAD will report. Then the ETag of the receipt costs no
    HEAD, unless the response does not fit the parts. Otherwise it costs one HEAD per multipart upload."""
    signs_payload_over_tls: bool = False
    """``True`` if the store does not take UNSIGNED-PAYLOAD over https, or is not known to take it."""
    checksums: frozenset[str] = frozenset()
    """Additional checksum headers (``x-amz-checksum-...``) that the store is known to take."""
    refused_attributes: frozenset[str] = frozenset()
    """Upload attributes that the store refuses or silently ignores. A call with one raises `ConfigurationError`."""
    endpoint_form: str | None = None
    """Form of an ``endpoint_url`` if `endpoint` is ``None``, for people to read, with more names in braces than the
    region. ``None`` if any host is possible."""
    endpoint_variants: tuple[tuple[frozenset[str], str], ...] = ()
    """Patterns to use instead of `endpoint`, each after its switches: ``"dualstack"``, ``"fips"``, ``"accelerate"``,
    alone or together. Patterns that accelerate take buckets by subdomain only, and do not create, delete or list
    buckets."""
    endpoint_aliases: tuple[str, ...] = ()
    """Patterns of further hosts of the store, which are recognised in ``endpoint_url`` and in redirects, but never
    chosen."""
    owns_variables: bool = False
    """``True`` if AWS_ENDPOINT_URL and the ``endpoint_url`` of a profile mean this store, so they may also name an
    emulator of it. They are ignored only if they name a host of another known provider. If ``False``, and the store has
    hosts of its own, they count only if they name one of these."""
    partitions: tuple[tuple[str, str, frozenset[str]], ...] = ()
    """Groups of regions with another domain than `endpoint`. Each has the beginning of the regions' names, the domain,
    and the switches of `endpoint_variants` that are missing there."""
    access_points: tuple[tuple[frozenset[str], str], ...] = ()
    """Patterns of the hosts of access points, each after its switches. Without a switch it is the usual host;
    ``"private"`` marks a host that is recognised, but never chosen. Empty if the store has no access points: then no
    ARN names a bucket."""
    has_tenants: bool = False
    """``True`` if a bucket can be named with its tenant, as ``tenant:bucket``."""
    region_required: bool = False
    """``True`` if every region has its own host, and none is a default. Then a driver needs a region."""
    checks_region: bool | None = None
    """``True`` if the store refuses a signature for another region. `aios3.testing` takes any region if it is
    ``False``."""
    https_only: bool = False
    """``True`` if the store is not reached over http."""
    signing_service: Literal["s3", "s3express"] = "s3"
    """Service in the signature's scope. With ``"s3express"`` requests are signed with a session's credentials."""
    multipart: bool = True
    """``False`` if there are no multipart uploads, so an object is one PutObject."""
    recommended_part_size: int | None = None
    """Part size to use if the caller chooses none; ``None`` if the limits allow any."""
    max_object_size: int | None = None
    """Maximum size of an object. ``None``: not known, so the store itself has to refuse larger objects."""
    reorder_buffer: int | None = None
    """Bytes of early parts that the store holds, because it stores parts in the order of their numbers. Further parts
    stall, so keep ``concurrency`` times the part size below it. ``None``: the store takes parts in any order."""
    lists_uploads_by_exact_key: bool = False
    """``True`` if ListMultipartUploads needs the whole key or an empty prefix to find uploads. Then both are listed."""
    lists_by_folder: bool = False
    """``True`` if listings take a prefix only with a slash at its end. Then aios3 lists more, and leaves other keys
    out."""
    unpacks_gzip: bool = False
    """``True`` if the store unpacks objects with ``content_encoding="gzip"`` when they are read, unless the request
    accepts gzip. Then reads accept it, so the bytes come as they were stored."""
    versions: bool | None = None
    """``False`` if the store keeps no versions that `version_id` could name. Then a `version_id` raises
    `ConfigurationError`."""
    conditional_copy: bool | None = None
    """``True`` if CopyObject obeys ``if_none_match`` and ``if_match``. Otherwise a copy with a condition is made in
    parts, so that CompleteMultipartUpload compares."""
    conditional_delete: bool | None = None
    """``True`` if DeleteObject obeys ``if_match``. If ``False``, a deletion with it raises `ConfigurationError`."""
    aborts_uploads_after: timedelta | None = None
    """Age, or time without a request, at which the store itself aborts an open upload. ``None``: never, or not known
    (then it is in `unknown`). Lifecycle rules apply in addition. If the store has lost an upload, a note names this
    time."""
    full_object_checksums: frozenset[str] = frozenset()
    """Subset of `checksums` that a multipart upload can have for the whole object (type FULL_OBJECT)."""
    composite_checksums: frozenset[str] = frozenset()
    """Subset of `checksums` that a multipart upload can have of its parts' checksums (type COMPOSITE)."""
    default_checksum: str | None = None
    """Member of `checksums` that ``TransferConfig(checksum="auto")`` sends if it can be computed fast; ``None`` for
    none. Only a store that is known to check the whole object has one."""
    checks_object_size: bool = False
    """``True`` if CompleteMultipartUpload is known to refuse an ``x-amz-mp-object-size`` that is not the number of
    bytes of its parts. Otherwise the header is not sent."""
    content_md5: bool | None = None
    """``True`` if Content-MD5 is taken. It is sent with bodies under an object lock that have no checksum. If
    ``False``, a call with such a lock raises `ConfigurationError`."""
    conditional_put: bool | None = None
    """``True`` if PutObject obeys ``if_none_match`` (and ``if_match``, unless that is refused). If ``False``, a
    condition on an upload that may become a PutObject raises `ConfigurationError`."""
    conditional_complete: bool | None = None
    """The same for CompleteMultipartUpload, and for uploads in parts."""
    expired_key_codes: frozenset[str] = frozenset()
    """Error codes for expired temporary keys, besides the usual codes. They also have another meaning. So each makes
    the driver renew the same keys only once."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Source of each known field, by its name. ``dataclasses.replace`` keeps the sources, even of changed fields."""

    def __post_init__(self) -> None:
        _require(
            1 <= self.min_part_size <= self.max_part_size, "min_part_size must be positive and not above max_part_size"
        )
        _require(self.max_parts >= 1, "max_parts must be at least 1")
        _require(self.max_copy_size >= 1, "max_copy_size must be positive")
        for name in ("recommended_part_size", "max_object_size", "reorder_buffer"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be positive, or None")
        _require(
            self.endpoint is None or self.endpoint_form is None,
            "endpoint_form is only for a provider without an endpoint",
        )
        _require(not self.has_zones or self.control_endpoint is not None, "zones need a control_endpoint")
        for style in (self.addressing, self.foreign_addressing or "path"):
            _require(style in ("virtual", "path"), f"unknown addressing {style!r}")
        _require(self.signing_service in ("s3", "s3express"), f"unknown signing_service {self.signing_service!r}")
        self._check_names()

    def _check_names(self) -> None:
        """Refuse values that would be ignored: unknown names, and checksums that are not in `checksums`."""
        for variant, _ in self.endpoint_variants:
            _require(bool(variant) and variant <= _VARIANTS, f"unknown endpoint variant: {', '.join(sorted(variant))}")
        for switches in (*(variant for variant, _ in self.access_points), *(lacks for *_, lacks in self.partitions)):
            unknown = switches - _VARIANTS - {"private"}
            _require(not unknown, f"unknown endpoint variant: {', '.join(sorted(unknown))}")
        unknown = self.checksums - _CHECKSUMS
        _require(not unknown, f"unknown checksums: {', '.join(sorted(unknown))}")
        kinds = self.full_object_checksums | self.composite_checksums
        used = kinds | ({self.default_checksum} if self.default_checksum else set())
        _require(
            used <= self.checksums,
            "checksums must hold all full_object_checksums, composite_checksums and default_checksum",
        )
        unknown = self.refused_attributes - UploadAttributes.__annotations__.keys()
        _require(not unknown, f"there are no upload attributes {', '.join(sorted(unknown))}")

    @property
    def has_zones(self) -> bool:
        """``True`` if every bucket is in a zone, which its name contains."""
        return self.endpoint is not None and "{zone}" in self.endpoint

    @property
    def unknown(self) -> frozenset[str]:
        """Names of the fields without a known fact, whose values are careful guesses."""
        return frozenset(each.name for each in fields(self)) - self.sources.keys() - {"name", "sources"}


PROVIDERS: Final = MappingProxyType({name: Provider(name, **facts, sources=sources) for name, facts, sources in ROWS})
"""Every provider known by name."""


def find_provider(provider: Provider | str) -> Provider:
    """Return the provider of that name, or the given `Provider` itself.

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
