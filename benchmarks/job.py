"""What the runner asks of one child process: one client, one workload, one run."""

from __future__ import annotations

import json
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = ["ACCESS_KEY", "BUCKET", "GIB", "KIB", "MIB", "REGION", "SECRET_KEY", "Job"]

BUCKET: Final = "bench"
REGION: Final = "us-east-1"
ACCESS_KEY: Final = "bench"
SECRET_KEY: Final = "bench-secret"
KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Job:
    """One run. It goes to the child as JSON, so that a child can have another interpreter."""

    client: str
    """The module in ``benchmarks.clients``."""
    endpoint: str
    certificate: str | None
    """The file with the authority that signed the sink's certificate; ``None`` over http."""
    prefix: str
    """What all keys of the run begin with; no other run has it."""
    kind: Literal["stream", "file", "put"]
    uploads: int
    at_once: int
    size: int
    """Bytes of each upload."""
    chunk_size: int
    """Bytes of each chunk of a stream but the last."""
    variant: str | None = None
    """What a client is to do otherwise than by default; each client says what it knows."""
    uvloop: bool = False
    rate: float = 0.0
    """Bytes per second of each source; 0 is a source that is always ready."""
    head: int = 0
    """Bytes of each source that are there at once; only what comes after them keeps to ``rate``."""
    fast: int = 0
    """Streams beside the others, as fast as they are taken, which begin when those have stood for ``fast_after``."""
    fast_size: int = 0
    """Bytes of each of these."""
    fast_after: float = 0.0
    """Seconds."""
    heartbeat: bool = False
    part_size: int = 5 * MIB
    concurrency: int = 8
    memory_limit: int | None = None
    """Part bytes that a client may hold for all uploads, where it can be told; ``None`` is its default."""
    file: str | None = None
    """The file to upload, of ``size`` bytes."""

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return the job as text for a command line."""
        return json.dumps(asdict(self))

    @property
    def most_at_once(self) -> int:
        """Uploads that run at the same time, the fast ones among them."""
        return self.at_once + self.fast

    @property
    def is_secure(self) -> bool:
        """The sink speaks https."""
        return self.certificate is not None

    @property
    def address(self) -> str:
        """Host and port."""
        return self.endpoint.partition("//")[2]

    @property
    def path(self) -> Path:
        """The file to upload."""
        if self.file is None:
            raise LookupError("this run has no file")
        return Path(self.file)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return a context that verifies the sink, or ``None`` over http."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None
