"""Loader of the selected profile from the shared AWS files. It blocks: call it in a thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aios3.errors import ConfigurationError

from .environment import Environment, is_true
from .profiles import Section, SharedConfig, merge_credentials, parse_config, parse_credentials

__all__ = ["Profile", "load_profile", "read_again"]

_logger: Final = logging.getLogger("aios3")


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of the shared files; a missing profile is empty."""

    name: str = "default"
    is_named: bool = False
    """``True`` if the environment names it (AWS_PROFILE), ``False`` if it is the default."""
    settings: Section = field(default_factory=Section)
    services: Mapping[str, Section] = field(default_factory=dict)
    """All services sections, by name."""
    paths: tuple[Path, ...] = ()
    """Files that were looked for, whether they exist or not: config, then credentials."""
    unread: tuple[str, ...] = ()
    """Why files could not be read, one sentence for each. They count as empty until something is needed from them."""
    needs_files: bool = False
    """``True`` if a file in `unread` was named by a variable, or must hold the named profile."""
    shared: SharedConfig = field(default_factory=SharedConfig)
    """Content of both files, for profiles that refer to others."""

    def sibling(self, name: str) -> Profile:
        """Return another profile of the same files.

        Raises:
            ConfigurationError: no profile has that name.
        """
        if name not in self.shared.profiles:
            what = "; ".join((f"profile {self.name!r} names the profile {name!r}, which does not exist", *self.unread))
            raise ConfigurationError(what)
        return replace(self, name=name, settings=self.shared.profiles[name])

    @property
    def has_keys_in_credentials_file(self) -> bool:
        """``True`` if its static keys, if any, are in the credentials file and not in the config file."""
        return self.name in self.shared.keyed_profiles

    @property
    def ignores_endpoints(self) -> bool:
        """``True`` if configured endpoints are ignored."""
        return is_true(self.settings.get("ignore_configured_endpoint_urls"))

    def find_endpoint_url(self, service: str = "s3") -> str | None:
        """Return the endpoint for a service, from the services section that the profile names, else from the profile.

        Raises:
            ConfigurationError: the services section does not exist.
        """
        name = self.settings.get("services")
        if name is not None and name not in self.services:
            raise ConfigurationError(f"profile {self.name!r} names the services section {name!r}, which does not exist")
        section = self.services[name] if name is not None else Section()
        return section.get("endpoint_url", within=service) or self.settings.get("endpoint_url")


def load_profile(environment: Environment, home: Path) -> Profile:
    """Read both files and return the profile that the environment names, else the default.

    A missing file counts as empty, and so does a file that cannot be read, which stands in `Profile.unread`. The text
    of both files is held in memory once.

    Raises:
        ConfigurationError: a file is malformed, or the named profile is in neither.
    """
    paths = (environment.config_path(home), environment.credentials_path(home))
    shared, unread = _read_files(*paths)
    name = environment.profile or "default"
    is_named = environment.profile is not None
    if is_named and name not in shared.profiles:
        missing = (
            f"the profile {name!r} (AWS_PROFILE) does not exist: there is no [profile {name}] in {paths[0]} "
            f"and no [{name}] in {paths[1]}"
        )
        raise ConfigurationError("; ".join((missing, *unread.values())))
    chosen = {paths[0]: environment.config_file, paths[1]: environment.credentials_file}
    return Profile(
        name,
        is_named,
        shared.profiles.get(name, Section()),
        shared.services,
        paths,
        tuple(unread.values()),
        needs_files=bool(unread) and (is_named or any(chosen[path] for path in unread)),
        shared=shared,
    )


def read_again(profile: Profile) -> Profile:
    """Return `profile` as its files have it now; empty if they no longer have it.

    Raises:
        ConfigurationError: a file is malformed.
    """
    if not profile.paths:
        return profile
    config, credentials = profile.paths
    shared, unread = _read_files(config, credentials)
    settings = shared.profiles.get(profile.name, Section())
    unread_now = tuple(unread.values())
    return replace(profile, settings=settings, services=shared.services, shared=shared, unread=unread_now)


def _read_files(config: Path, credentials: Path) -> tuple[SharedConfig, dict[Path, str]]:
    """Return the content of both files, and why one of them could not be read, by path."""
    texts: dict[Path, str] = {}
    unread: dict[Path, str] = {}
    for path in (config, credentials):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        except (OSError, ValueError) as error:
            content, unread[path] = b"", f"{path} cannot be read: {error}"
            _logger.debug("%s; the file counts as empty", unread[path])
        texts[path] = _decode(content, path)
    parsed = parse_config(texts[config], str(config))
    return merge_credentials(parsed, parse_credentials(texts[credentials], str(credentials))), unread


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # No text and no cause in the error: the UnicodeDecodeError holds the whole file.
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
