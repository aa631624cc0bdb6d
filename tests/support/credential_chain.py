"""LookupContext made of a few lines, and what a provider found there is made of."""

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
    """Write the shared files, and return the places around them."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)
    with ThreadPoolExecutor() as threads:  # files are never read on the loop
        loaded = threads.submit(load_profile, Environment(profile=profile), home).result()
    return LookupContext(environ or {}, loaded, "eu-west-1", home, (clock or FakeClock())())


def attribute(provider: CredentialsProvider | None, name: str) -> Any:
    """Return what a provider was made with."""
    return vars(provider)[f"_{name}"]
