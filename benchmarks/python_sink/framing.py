"""Takes request bodies apart without copying them: Content-Length, chunked, and S3's aws-chunked inside either."""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["Body", "Chunked", "Collector", "Counter", "FixedLength"]

_LONGEST_LINE: Final = 8192


class Consumer(Protocol):
    """Takes the payload of a body, span by span."""

    def feed(self, data: memoryview) -> int:
        """Take bytes that stay valid only during the call; return how many were wanted."""
        ...


class Body(Consumer, Protocol):
    """One framing of a body: passes the payload on and knows where it ends."""

    @property
    def done(self) -> bool:
        """The last byte of the body has been taken."""
        ...


class Counter:
    """Counts the payload and lets it go."""

    def __init__(self) -> None:
        self.size = 0

    def feed(self, data: memoryview) -> int:
        """Count the bytes."""
        self.size += len(data)
        return len(data)


class Collector:
    """Keeps the payload, for small XML documents."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed(self, data: memoryview) -> int:
        """Keep a copy of the bytes."""
        self.data += data
        return len(data)


class FixedLength:
    """A body whose length was declared in bytes."""

    def __init__(self, length: int, consumer: Consumer) -> None:
        self._remaining = length
        self._consumer = consumer

    @property
    def done(self) -> bool:
        """All declared bytes have come."""
        return self._remaining == 0

    def feed(self, data: memoryview) -> int:
        """Pass on what belongs to the body; return how many bytes that was."""
        span = data[: self._remaining]
        self._consumer.feed(span)
        self._remaining -= len(span)
        return len(span)


class Chunked:
    """HTTP's chunked coding and S3's aws-chunked, which frame alike: a size line, the data, an end line, trailers.

    Extensions after the size (chunk signatures) and trailers (checksums) are
    read over, not checked.

    Raises:
        ValueError: from `feed`, when a size line is not one.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._remaining = 0
        self._line = bytearray()
        self._on_line = self._on_size
        self.done = False

    def feed(self, data: memoryview) -> int:
        """Pass the payload on; return how many bytes belonged to the body, framing included."""
        position = 0
        while position < len(data) and not self.done:
            if self._remaining:
                position += self._pass_on(data[position : position + self._remaining])
            else:
                position += self._take_line(data[position : position + _LONGEST_LINE])
        return position

    def _pass_on(self, span: memoryview) -> int:
        self._consumer.feed(span)
        self._remaining -= len(span)
        return len(span)

    def _take_line(self, data: memoryview) -> int:
        raw = bytes(data)
        end = raw.find(b"\n")
        if end < 0:
            self._line += raw
            if len(self._line) > _LONGEST_LINE:
                raise ValueError("a line of the chunked coding does not end")
            return len(raw)
        line = bytes(self._line + raw[:end]).strip()
        self._line.clear()
        self._on_line(line)
        return end + 1

    def _on_size(self, line: bytes) -> None:
        self._remaining = int(line.partition(b";")[0], 16)
        self._on_line = self._on_data_end if self._remaining else self._on_trailer

    def _on_data_end(self, line: bytes) -> None:
        if line:
            raise ValueError("a chunk is longer than its size line says")
        self._on_line = self._on_size

    def _on_trailer(self, line: bytes) -> None:
        self.done = not line
