"""The clients, each used as its own documentation says; what none of them can do is not asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from benchmarks.leaks.clients.target import Adapter

__all__ = ["CLIENTS", "find_adapter"]

_HERE: Final = __name__

CLIENTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "aios3 stream": ("aios3_calls", "stream"),
        "aios3 writer": ("aios3_calls", "writer"),
        "aioboto3": ("aioboto3_calls", "upload_fileobj"),
        "obstore put": ("obstore_calls", "put"),
        "obstore writer": ("obstore_calls", "writer"),
        "aiohttp-s3-client": ("aiohttp_s3_client_calls", "multipart_upload"),
        "aiobotocore loop": ("aiobotocore_calls", "loop"),
    }
)
"""By column of the table, the module here and the function in it. Modules are imported only when they are used."""


def find_adapter(name: str) -> Adapter:
    """Return the adapter of a column.

    Raises:
        ImportError: its library is not installed.
    """
    module, function = CLIENTS[name]
    adapter: Adapter = getattr(import_module(f"{_HERE}.{module}"), function)
    return adapter
