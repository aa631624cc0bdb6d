"""The form of `aios3.provider_table`: facts about a store, none without its source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple, TypedDict, Unpack

__all__ = ["Facts", "Row", "facts", "row"]


class Facts(TypedDict, total=False):
    """The fields of a `Provider` that say something about the store."""

    endpoint: str | None
    control_endpoint: str | None
    endpoint_form: str | None
    endpoint_variants: tuple[tuple[frozenset[str], str], ...]
    endpoint_aliases: tuple[str, ...]
    default_region: str
    region_required: bool
    checks_region: bool | None
    https_only: bool
    addressing: Literal["virtual", "path"]
    signing_service: Literal["s3", "s3express"]
    signs_payload_over_tls: bool
    multipart: bool
    min_part_size: int
    max_part_size: int
    recommended_part_size: int | None
    max_parts: int
    max_object_size: int | None
    equal_parts: bool
    reorder_buffer: int | None
    needs_location: bool
    complete_etag_is_final: bool
    lists_uploads_by_exact_key: bool
    lists_by_folder: bool
    aborts_uploads_after: timedelta | None
    checksums: frozenset[str]
    full_object_checksums: frozenset[str]
    composite_checksums: frozenset[str]
    default_checksum: str | None
    checks_object_size: bool
    content_md5: bool | None
    conditional_put: bool | None
    conditional_complete: bool | None
    refused_attributes: frozenset[str]


class Row(NamedTuple):
    """One kind of store."""

    name: str
    facts: Facts
    sources: Mapping[str, str]
    """By field, every field of `facts`."""


def facts(**said: Unpack[Facts]) -> Facts:
    """Return the facts, with their types checked."""
    return said


def row(name: str, *statements: str | Facts) -> Row:
    """Put together what is known of a store: each source, followed by what it says.

    Raises:
        ValueError: something has no source, or is said twice.
    """
    known = Facts()
    sources: dict[str, str] = {}
    source = ""
    for statement in statements:
        if isinstance(statement, str):
            source = statement
        elif not source or known.keys() & statement.keys():
            raise ValueError(f"{name}: {', '.join(statement)}: without a source, or said twice")
        else:
            known.update(statement)
            sources.update(dict.fromkeys(statement, source))
    return Row(name, known, sources)
