"""The journal's lines, and what they come to: bytes and values only.

A line is one JSON object. An upload has an entry number, unique in its file:

    {"event": "journal", "version": 1, "endpoint": "https://s3.example.org"}
    {"event": "creating", "entry": 1, "at": "...", "bucket": "videos", "key": "cat.mp4", ...}
    {"event": "created", "entry": 1, "upload_id": "..."}
    {"event": "ended", "entry": 1}

A process can die, and a disk lose power, at any byte. So a line that cannot be
read is passed over: the one that was being written is of no consequence,
because nothing is done before what it announces is on the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from aios3._upload.shared.job import UploadJob
from aios3.checkpoints import FileIdentity

__all__ = ["JournalEntry", "begin_lines", "created_line", "describe_job", "ended_line", "head_line", "read_journal"]

_VERSION: Final = 1

_LATER_REQUESTS: Final = ("request_payer", "expected_bucket_owner", "if_none_match", "if_match")
"""The attributes that aborting, or going on, needs."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An upload as its process began it."""

    at: datetime
    """When it began, by this machine's clock; aware."""
    bucket: str
    key: str
    part_size: int
    """Bytes of the first parts."""
    checksum: str | None
    """The algorithm of the parts' checksums."""
    size: int | None
    """Bytes declared."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Those that the requests to come need, too; none is a secret."""
    has_customer_key: bool = False
    """Its parts are encrypted with a key that only the caller has."""
    file: FileIdentity | None = None
    """The source, where it is a file."""
    upload_id: str | None = None
    """``None`` until the store has told it."""

    def named(self, upload_id: str | None) -> JournalEntry:
        """Return the entry with the id that the store has told, if it has."""
        return self if upload_id is None else replace(self, upload_id=upload_id)


def describe_job(job: UploadJob, upload_id: str | None, *, at: datetime) -> JournalEntry:
    """Return what a later process must know of an upload; no secret is in it."""
    given = {name: job.attributes.get(name) for name in _LATER_REQUESTS}
    return JournalEntry(
        at=at,
        bucket=job.bucket,
        key=job.key,
        part_size=job.plan.first_size,
        checksum=None if job.checksum is None else job.checksum.algorithm,
        size=job.size,
        attributes={name: str(value) for name, value in given.items() if value is not None},
        has_customer_key=job.attributes.get("sse_customer_key") is not None,
        file=job.file,
        upload_id=upload_id,
    )


def head_line(endpoint: str) -> str:
    """Return the first line of a journal: whose uploads these are."""
    return _line("journal", version=_VERSION, endpoint=endpoint)


def begin_lines(number: int, entry: JournalEntry) -> str:
    """Return the line that announces an upload, and the one with its id if it is known already."""
    known = {name: value for name, value in asdict(entry).items() if name != "upload_id"}
    announced = _line("creating", entry=number, **{**known, "at": entry.at.isoformat()})
    return announced if entry.upload_id is None else announced + created_line(number, entry.upload_id)


def created_line(number: int, upload_id: str) -> str:
    """Return the line that tells an upload's id."""
    return _line("created", entry=number, upload_id=upload_id)


def ended_line(number: int) -> str:
    """Return the line after which nothing of the upload is open."""
    return _line("ended", entry=number)


def read_journal(lines: Iterable[str]) -> tuple[str | None, dict[int, JournalEntry]]:
    """Return the endpoint, and by number every upload that has begun and not ended.

    The endpoint is ``None`` where no line tells it, or the version is another.
    """
    endpoint: str | None = None
    entries: dict[int, JournalEntry] = {}
    for line in lines:
        try:
            record = json.loads(line)
            if record["event"] == "journal" and record["version"] == _VERSION:
                endpoint = record["endpoint"]
            else:
                _apply(record, entries)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            continue  # torn
    return endpoint, entries


def _apply(record: Mapping[str, Any], entries: dict[int, JournalEntry]) -> None:
    number = int(record["entry"])
    if record["event"] == "creating":
        entries[number] = _read_entry(record)
    elif record["event"] == "created":
        entries[number] = entries[number].named(str(record["upload_id"]))
    elif record["event"] == "ended":
        entries.pop(number, None)


def _read_entry(record: Mapping[str, Any]) -> JournalEntry:
    at = datetime.fromisoformat(record["at"])
    if at.tzinfo is None:
        raise ValueError
    file = record["file"]
    size = record["size"]
    return JournalEntry(
        at=at,
        bucket=str(record["bucket"]),
        key=str(record["key"]),
        part_size=int(record["part_size"]),
        checksum=None if record["checksum"] is None else str(record["checksum"]),
        size=None if size is None else int(size),
        attributes={str(name): str(value) for name, value in record["attributes"].items()},
        has_customer_key=bool(record["has_customer_key"]),
        file=None if file is None else FileIdentity(str(file["path"]), int(file["size"]), int(file["modified_ns"])),
    )


def _line(event: str, **known: object) -> str:
    return json.dumps({"event": event, **known}, separators=(",", ":")) + "\n"
