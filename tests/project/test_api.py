"""The public names, signatures and fields, so that none of them changes by accident.

``python -m tests.project.test_api`` writes the snapshot anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import pytest

import aios3
import aios3.credential_providers
import aios3.dask
import aios3.directories
import aios3.doctor
import aios3.fsspec
import aios3.observing
import aios3.otel
import aios3.testing
import aios3.web
from tests.support.documents import text_of

PUBLIC_MODULES: Final = (
    aios3,
    aios3.credential_providers,
    aios3.dask,
    aios3.directories,
    aios3.doctor,
    aios3.fsspec,
    aios3.observing,
    aios3.otel,
    aios3.testing,
    aios3.web,
)
"""Modules that users import from. The names of the other modules without an underscore are public in these."""
HOMES: Final = frozenset(
    {"checkpoints", "cli", "commands", "credentials", "driver", "errors", "models", "options", "providers", "timing"}
)
"""Modules that users do not import from."""
ALIASES: Final = {"FaultKind", "Report"}
"""Types that are no classes, which Sphinx does not take from another module."""

SNAPSHOT: Final = Path(__file__).with_name("api.txt")


def described() -> Iterator[str]:
    """Yield a line for every public name, and for every public member of a class."""
    for module in PUBLIC_MODULES:
        for name in sorted(module.__all__):
            yield from _described(f"{module.__name__}.{name}", getattr(module, name))


def _described(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{name}({', '.join(base.__name__ for base in value.__bases__)})"
        if dataclasses.is_dataclass(value):
            named = [field for field in dataclasses.fields(value) if not field.name.startswith("_")]
            yield from (f"{name}.{field.name}: {field.type}" for field in named)
        elif inspect.isfunction(vars(value).get("__init__")) and not issubclass(value, Protocol):
            yield f"{name}.__init__{_signature(value.__init__)}"
        yield from _members(name, value)
    elif inspect.isroutine(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _members(name: str, value: type) -> Iterator[str]:
    fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    inherited = {
        found for base in value.__mro__[1:] if base.__name__ in aios3.__all__ or base.__module__ == "builtins"
        for found in dir(base)
    }  # fmt: skip
    inherited |= {found for base in value.__mro__ if base.__module__.startswith("fsspec.") for found in vars(base)}
    inherited -= {found for base in value.__mro__ if base.__module__.startswith("aios3.fsspec") for found in vars(base)}
    for member in sorted({found for found in dir(value) if not found.startswith("_")} - fields - inherited):
        if isinstance(inspect.getattr_static(value, member), property):
            yield f"{name}.{member}: property"
        elif inspect.isroutine(getattr(value, member)):
            yield f"{name}.{member}{_signature(getattr(value, member))}"


def _signature(function: Any) -> str:
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    text = re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(function)))
    return f"{' async ' if is_async else ''}{text}"


def test_the_public_names_are_those_of_the_snapshot() -> None:
    """A name, a signature or a field that changed is a change to the users' code."""
    assert list(described()) == SNAPSHOT.read_text("utf-8").splitlines()


def test_each_module_is_public_or_the_home_of_names_that_another_gives() -> None:
    found = {info.name for info in pkgutil.iter_modules(aios3.__path__) if not info.name.startswith("_")}
    public = {module.__name__.rpartition(".")[2] for module in PUBLIC_MODULES if module is not aios3}
    assert found == public | HOMES


@pytest.mark.parametrize("module", PUBLIC_MODULES, ids=lambda module: module.__name__)
def test_the_page_has_every_public_name(module: ModuleType) -> None:
    """Sphinx takes the classes, the functions and what stands in the module itself, unless the page leaves it out."""
    page = text_of("docs/api.md")
    (options,) = re.findall(rf"^\.\. automodule:: {module.__name__}\n((?:   :.*\n)*)", page, re.MULTILINE)
    left_out = set(re.findall(r":exclude-members: (.+)", options))
    own = set(re.findall(r"^(\w+)(?:: .+)? = ", inspect.getsource(module), re.MULTILINE))
    taken = {name for name in module.__all__ if name in own or callable(getattr(module, name))} - left_out - ALIASES
    named = set(re.findall(rf"^\.\. autodata:: {module.__name__}\.(\w+)$", page, re.MULTILINE))
    assert set(module.__all__) - taken - named - (left_out & set(aios3.__all__)) == set()


if __name__ == "__main__":
    SNAPSHOT.write_text("".join(f"{line}\n" for line in described()), "utf-8")
