"""Place in a web server at which an application is mounted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["mount_of"]


def mount_of(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the path at which the application is mounted, and the path below it without slashes around it.

    Starlette and FastAPI name the place in ``root_path``, and leave it in ``path`` or not, by version. Litestar takes
    it out of ``path`` and names it nowhere, so only ``raw_path`` shows it.
    """
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"].rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        return root, path[len(root) :].strip("/")
    full = unquote(bytes(scope.get("raw_path") or b"").decode("latin-1")).rstrip("/")
    place = full.removesuffix(path) if full.endswith(path) else ""
    return root if root.endswith(place) else place, path.strip("/")
