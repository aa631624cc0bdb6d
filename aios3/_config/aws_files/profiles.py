"""Pure parser of the shared AWS files: takes their text and returns profiles.

The syntax is AWS's own, near to INI, as botocore and so the AWS CLI read it. A
setting is ``key = value`` or ``key: value``. A comment has a line of its own; after
a value, ``#`` and ``;`` belong to the value. A line that is indented deeper than the
key above it belongs to that key. Below a key without a value the line is a sub-key
(``s3 =`` and below it ``addressing_style = path``).
See https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aios3.errors import ConfigurationError

__all__ = ["Section", "SharedConfig", "merge_credentials", "parse_config", "parse_credentials"]

_HEADER: Final = re.compile(r"\[([^\]]*)\]\s*(?:[#;].*)?")
_SETTING: Final = re.compile(r"\s*([^=:]*?)\s*[=:](.*)")
_SUB_SETTING: Final = re.compile(r"\s*([^=]*?)\s*=(.*)")
"""Setting below a key; its name may hold a colon if an equals sign follows."""
# str.splitlines also cuts at form feeds and Unicode separators, which may be part of a value.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")

_STATIC_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token")


@dataclass(frozen=True, slots=True)
class Section:
    """Settings of one section, by lower-case key. ``repr`` hides them, because they can be secret."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    nested: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Sub-keys of the keys without a value, by key."""

    def get(self, key: str, within: str | None = None) -> str | None:
        """Return the value of ``key``, below the key ``within`` if given; ``None`` if it is missing or empty."""
        values = self.values if within is None else self.nested.get(within, {})
        return values.get(key) or None

    def updated_by(self, other: Section) -> Section:
        """Return a section with the settings of both, where the settings of ``other`` win."""
        return Section({**self.values, **other.values}, {**self.nested, **other.nested})


@dataclass(frozen=True, slots=True)
class SharedConfig:
    """Sections of the shared files, by kind and name."""

    profiles: Mapping[str, Section] = field(default_factory=dict)
    services: Mapping[str, Section] = field(default_factory=dict)
    sso_sessions: Mapping[str, Section] = field(default_factory=dict)
    keyed_profiles: frozenset[str] = frozenset()
    """Profiles whose static keys come from the credentials file."""


def parse_config(text: str, source: str) -> SharedConfig:
    """Parse the text of ``~/.aws/config``; ``source`` names the file in errors.

    ``[profile default]`` replaces ``[default]``, as AWS defines it. Sections of other kinds are ignored.

    Raises:
        ConfigurationError: a line is malformed. The message names the source and the line number, never the line.
    """
    sections = _parse_sections(text, source)
    kinds: dict[str, dict[str, Section]] = {"profile": {}, "services": {}, "sso-session": {}}
    for header, section in sections.items():
        kind, *rest = header.split(maxsplit=1)
        if rest and kind in kinds:
            _add(kinds[kind], rest[0], section)
    if "default" in sections:
        kinds["profile"].setdefault("default", sections["default"])
    return SharedConfig(kinds["profile"], kinds["services"], kinds["sso-session"])


def parse_credentials(text: str, source: str) -> dict[str, Section]:
    """Parse the text of ``~/.aws/credentials``, in which every section is a profile.

    Raises:
        ConfigurationError: as in `parse_config`.
    """
    profiles: dict[str, Section] = {}
    for header, section in _parse_sections(text, source).items():
        _add(profiles, header, section)
    return profiles


def merge_credentials(config: SharedConfig, credentials: Mapping[str, Section]) -> SharedConfig:
    """Return ``config``, its profiles updated by the profiles of the credentials file."""
    profiles = dict(config.profiles)
    keyed = frozenset(name for name, section in credentials.items() if section.values.keys() & set(_STATIC_KEYS))
    for name, section in credentials.items():
        below = profiles.get(name, Section())
        profiles[name] = (_without_static_keys(below) if name in keyed else below).updated_by(section)
    return SharedConfig(profiles, config.services, config.sso_sessions, keyed)


def _without_static_keys(section: Section) -> Section:
    # A secret or token of one file must never complete the key id of the other.
    values = {key: value for key, value in section.values.items() if key not in _STATIC_KEYS}
    return Section(values, section.nested)


def _add(sections: dict[str, Section], quoted_name: str, section: Section) -> None:
    # A name can appear again with other quotes or spaces.
    name = _unquoted(quoted_name)
    sections[name] = sections.get(name, Section()).updated_by(section)


class _MalformedLineError(Exception):
    """A line is malformed. The message says what was expected, and never quotes the line."""


def _parse_sections(text: str, source: str) -> dict[str, Section]:
    parser = _SectionParser()
    for number, line in _meaningful_lines(text):
        try:
            parser.feed(line)
        except _MalformedLineError as error:
            raise ConfigurationError(f"{source}, line {number}: {error}") from None
    return {header: Section(draft.values, draft.nested) for header, draft in parser.drafts.items()}


def _meaningful_lines(text: str) -> Iterator[tuple[int, str]]:
    # Editors on Windows put a byte order mark first; it is no part of the first section's name.
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        content = line.strip()
        if content and content[0] not in "#;":
            yield number, line


class _Draft:
    """Section that is being parsed."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.nested: dict[str, dict[str, str]] = {}


class _SectionParser:
    """Parses a file line by line. A section that appears again continues the earlier one."""

    def __init__(self) -> None:
        self.drafts: dict[str, _Draft] = {}
        self._draft: _Draft | None = None
        self._key: str | None = None
        self._key_indent = 0

    def feed(self, line: str) -> None:
        indent = len(line) - len(line.lstrip())
        if self._draft is not None and self._key is not None and indent > self._key_indent:
            _continue_key(self._draft, self._key, line)
        elif line.lstrip().startswith("["):
            self._draft = self.drafts.setdefault(_read_header(line.strip()), _Draft())
            self._key = None
        elif self._draft is None:
            raise _MalformedLineError("expected a section such as [default] before the first setting")
        else:
            self._key, value = _read_setting(line)
            self._key_indent = indent
            self._draft.values[self._key] = value
            self._draft.nested.pop(self._key, None)


def _continue_key(draft: _Draft, key: str, line: str) -> None:
    if draft.values[key]:
        draft.values[key] += "\n" + line.strip()
    else:
        sub_key, value = _read_setting(line, _SUB_SETTING if "=" in line else _SETTING)
        draft.nested.setdefault(key, {})[sub_key] = value


def _read_header(content: str) -> str:
    match = _HEADER.fullmatch(content)
    if match is None:
        raise _MalformedLineError("expected a section name in brackets and nothing after it")
    header = match[1].strip()
    if not header:
        raise _MalformedLineError("the section has no name")
    return header


def _unquoted(name: str) -> str:
    is_quoted = len(name) >= 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if is_quoted else name


def _read_setting(line: str, pattern: re.Pattern[str] = _SETTING) -> tuple[str, str]:
    match = pattern.fullmatch(line)
    if match is None or not match[1]:
        raise _MalformedLineError("expected a setting of the form key = value")
    return match[1].lower(), match[2].strip()
