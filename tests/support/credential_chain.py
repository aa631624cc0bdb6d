"""`LookupContext` made of a few lines, and access to the attributes of a provider."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.shared_files import load_profile
from aios3._config.credentials.context import LookupContext
from aios3.credentials import CredentialsProvider

from .fakes import FakeClock


def make_places(
    home: Path,
    environ: dict[str, str] | None = None,
    *,
    config: str = "",
    credentials: str = "",
    profile: str | None = None,
    clock: FakeClock | None = None,
) -> LookupContext:
    """Write the shared files, and return a `LookupContext` that reads them."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)
    with ThreadPoolExecutor() as threads:  # because files are never read on the loop
        loaded = threads.submit(load_profile, Environment(profile=profile), home).result()
    return LookupContext(environ or {}, loaded, "eu-west-1", home, (clock or FakeClock())())


def attribute(provider: CredentialsProvider | None, name: str) -> Any:
    """Return a private attribute of a provider, named without its underscore."""
    return vars(provider)[f"_{name}"]
