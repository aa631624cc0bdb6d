"""What was seen of one upload, and what it comes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from benchmarks.leaks.scene import Ending
from benchmarks.leaks.ways import Way

__all__ = ["Look", "Observation", "Stored", "is_spotless", "judge"]

Stored: TypeAlias = Literal["absent", "whole", "other"]
"""What is at the key: nothing, all that the source had, or something else."""


@dataclass(frozen=True, slots=True)
class Look:
    """The state at one moment."""

    open_uploads: int
    tasks: int | None
    """Of the client, beyond those before the upload; ``None`` where the loop is closed."""
    stored: Stored


@dataclass(slots=True)
class Observation:
    """One cell of the table as it fills."""

    ending: Ending = "hung"
    error: str = ""
    at_once: Look | None = None
    later: Look | None = None
    sockets: int | None = None
    """After the client was closed."""
    is_possible: bool = True
    """False if the client has no such way of ending."""
    failure: str = ""
    """Why this cell could not be measured."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @property
    def looks(self) -> list[Look]:
        """Those that were taken."""
        return [look for look in (self.at_once, self.later) if look is not None]


def is_spotless(way: Way, seen: Observation) -> bool:
    """Return whether nothing was left, at once and later, and the object is as it should be."""
    left = [count for look in seen.looks for count in (look.open_uploads, look.tasks)]
    return len(seen.looks) == 2 and not any((*left, seen.sockets)) and seen.sockets == 0 and judge(way, seen) == "ok"


def judge(way: Way, seen: Observation) -> str:
    """Return one word or two on the call and the object: ``ok``, or what is wrong."""
    if seen.ending == "hung":
        return "hung"
    verdicts = [_verdict(way, seen.ending, look.stored) for look in seen.looks]
    return next((verdict for verdict in verdicts if verdict != "ok"), "ok")


def _verdict(way: Way, ending: Ending, stored: Stored) -> str:
    match ending, stored:
        case _, "other":
            return "wrong bytes"
        case "returned", "absent":
            return "nothing stored"
        case "raised", "whole":
            return "stored, yet raised"
        case "returned", "whole":
            return "returned" if way.expects == "failure" else "ok"
        case _:
            return "raised" if way.expects == "success" else "ok"
