"""Format of the journal's lines: pure functions between text and values.

A line is one JSON object. An upload has an entry number, unique in its file:

    {"event": "journal", "version": 1, "endpoint": "https://s3.example.org"}
    {"event": "creating", "entry": 1, "at": "...", "bucket": "videos", "key": "cat.mp4", ...}
    {"event": "created", "entry": 1, "upload_id": "..."}
    {"event": "ended", "entry": 1}

A process can die, and a disk can lose power, at any byte. So the reader skips a
line that it cannot read. An unfinished line is harmless, because an upload takes
a step only after the line that announces it is on the disk.
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
"""Attributes that an abort or a resumed upload needs."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Facts about an upload, written when it begins."""

    at: datetime
    """Time of its beginning, by this machine's clock; aware."""
    bucket: str
    key: str
    part_size: int
    """Bytes of the first parts."""
    checksum: str | None
    """Algorithm of the parts' checksums; ``None`` if they have none."""
    size: int | None
    """Declared size in bytes; ``None`` if there is none."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attributes that later requests need; none is a secret."""
    has_customer_key: bool = False
    """``True`` if its parts are encrypted with a key that only the caller has."""
    file: FileIdentity | None = None
    """File that is its source; ``None`` for another source."""
    upload_id: str | None = None
    """``None`` until the store has returned it."""

    def named(self, upload_id: str | None) -> JournalEntry:
        """Return the entry with this id, or unchanged if the id is ``None``."""
        return self if upload_id is None else replace(self, upload_id=upload_id)


def describe_job(job: UploadJob, upload_id: str | None, *, at: datetime) -> JournalEntry:
    """Return the entry from which a later process can end or resume an upload. It holds no secret."""
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
    """Return the first line of a journal, which names the endpoint of its uploads."""
    return _line("journal", version=_VERSION, endpoint=endpoint)


def begin_lines(number: int, entry: JournalEntry) -> str:
    """Return the line that announces an upload, and the line with its id if the id is known."""
    known = {name: value for name, value in asdict(entry).items() if name != "upload_id"}
    announced = _line("creating", entry=number, **{**known, "at": entry.at.isoformat()})
    return announced if entry.upload_id is None else announced + created_line(number, entry.upload_id)


def created_line(number: int, upload_id: str) -> str:
    """Return the line with an upload's id."""
    return _line("created", entry=number, upload_id=upload_id)


def ended_line(number: int) -> str:
    """Return the line that says that nothing of the upload is open."""
    return _line("ended", entry=number)


def read_journal(lines: Iterable[str]) -> tuple[str | None, dict[int, JournalEntry]]:
    """Return the endpoint, and every upload that has begun and not ended, by number.

    The endpoint is ``None`` if no line names it, or if the version is unknown.
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
