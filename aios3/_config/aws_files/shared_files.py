"""Loader of the selected profile from the shared AWS files. It blocks: call it in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aios3.errors import ConfigurationError

from .environment import Environment, is_true
from .profiles import Section, SharedConfig, merge_credentials, parse_config, parse_credentials

__all__ = ["Profile", "load_profile"]


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
    """Files that were looked for, whether they exist or not."""
    shared: SharedConfig = field(default_factory=SharedConfig)
    """Content of both files, for profiles that refer to others."""

    def sibling(self, name: str) -> Profile:
        """Return another profile of the same files.

        Raises:
            ConfigurationError: no profile has that name.
        """
        if name not in self.shared.profiles:
            raise ConfigurationError(f"profile {self.name!r} names the profile {name!r}, which does not exist")
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

    A missing file counts as empty. The text of both files is held in memory once.

    Raises:
        ConfigurationError: a file cannot be read or is malformed, or the named profile is in neither.
    """
    paths = (environment.config_path(home), environment.credentials_path(home))
    config, credentials = (_read_text(path) for path in paths)
    shared = merge_credentials(parse_config(config, str(paths[0])), parse_credentials(credentials, str(paths[1])))
    name = environment.profile or "default"
    if environment.profile is not None and name not in shared.profiles:
        raise ConfigurationError(
            f"the profile {name!r} (AWS_PROFILE) does not exist: there is no [profile {name}] in {paths[0]} "
            f"and no [{name}] in {paths[1]}"
        )
    settings = shared.profiles.get(name, Section())
    return Profile(name, environment.profile is not None, settings, shared.services, paths, shared)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError:
        # No text and no cause in the error: the UnicodeDecodeError holds the whole file.
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
