"""Abilities that stores differ in: what a request showed, beside what the provider's record says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .findings import Finding

__all__ = ["Ability", "Shown"]

Shown = Literal["obeyed", "ignored", "refused", "unclear"]
"""Outcomes of a request that a store refuses if it checks a condition, a checksum or a size."""


@dataclass(frozen=True, slots=True)
class Ability:
    """One ability, with the words for each thing that a store may do."""

    subject: str
    obeyed: str
    """What the store does if it has the ability, as a sentence."""
    ignored: str
    """What happens if the store ignores the request's wish, as a sentence."""
    instead: str
    """What to do if the store lacks the ability, as an imperative."""
    what: str
    """What a request has that asks for the ability, such as ``"If-None-Match"``."""
    relies: bool | None
    """Whether the provider's record says that the store has it; ``None``: not known."""
    field: str
    """Field of `Provider` that says so."""

    def judge(self, shown: Shown, detail: str = "") -> Finding:
        """Return the finding.

        Args:
            shown: what the store did.
            detail: status and code of its response, if that says more.
        """
        if shown == "obeyed":
            advice = (
                ""
                if self.relies is not False
                else f"aios3 does not rely on this: the record of --provider denies it ({self.field})"
            )
            return Finding(self.subject, "ok", self.obeyed, advice)
        if shown == "unclear":
            return Finding(self.subject, "warning", f"the examination could not find this out: {detail}")
        text = self.ignored if shown == "ignored" else f"the store refuses requests with {self.what} ({detail})"
        if self.relies:
            advice = f"choose the right --provider: with this one aios3 relies on it ({self.field})"
            return Finding(self.subject, "problem", text, advice, "store")
        return Finding(self.subject, "warning", text, self.instead)
