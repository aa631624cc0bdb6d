"""One PutObject whose body is made while it is sent: no second chance, but a definite end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aios3._protocol.operations import Committed, HeadObject
from aios3._protocol.operations import PutObject as PutObject
from aios3._protocol.retry import is_unclear
from aios3.errors import CompletionUnknownError, StorageError
from aios3.models import StorageObject

from .client import OperationClient
from .completion import was_stored_since
from .handover import Handover

__all__ = ["StreamedPut"]

_OF_PARTS: Final = re.compile(r"-\d{1,5}\Z")


@dataclass(eq=False)
class StreamedPut:
    """Sends one streamed body and finds out what became of it."""
