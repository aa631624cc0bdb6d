"""Guard against stores that ignore the conditions of a commit, and would silently overwrite the object."""

from __future__ import annotations

from collections.abc import Collection

from aios3._protocol.parts.part_plan import PartPlan
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .headers import ObjectHeaders

__all__ = ["check_conditions", "possible_commits"]


def possible_commits(plan: PartPlan, size: int | None) -> frozenset[str]:
    """Return the names of the operations that may commit an upload of `size` bytes, ``None`` if unknown."""
    if plan.is_streamed or (size is not None and size <= plan.first_size):
        return frozenset({"PutObject"})
    if size is not None:
        return frozenset({"CompleteMultipartUpload"})
    return frozenset({"PutObject", "CompleteMultipartUpload"})


def check_conditions(headers: ObjectHeaders, provider: Provider, commits: Collection[str]) -> None:
    """Refuse conditions that one of the operations would ignore.

    Raises:
        ConfigurationError: there are conditions, and the provider is known to ignore them in one of `commits`.
    """
    if not headers.has_conditions:
        return
    obeys = {"PutObject": provider.conditional_put, "CompleteMultipartUpload": provider.conditional_complete}
    for name in sorted(commits):
        if obeys[name] is False:
            raise ConfigurationError(
                f"{provider.name} ignores if_match and if_none_match at {name}, which may commit this upload"
            )
