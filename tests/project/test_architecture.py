"""The layers: who may import whom, and what every module must have."""

from __future__ import annotations

import ast
import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aios3"
MODULES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "__init__",
    "driver",
    "_driver",
    "credential_providers",
    "_config",
    "_journal",
    "_upload",
    "_transport",
    "_protocol",
    "root values",
    "_providers",
)
"""Each layer may import itself and what is to its right."""

FOR_USERS = ("credential_providers",)
"""Public modules that stand beside the drivers: they give names of the layers to users, and no layer needs them."""

ROOT_VALUES = (
    "providers", "options", "checkpoints", "models", "credentials", "errors",
)  # fmt: skip
"""The modules that everybody may import; among themselves they import to the right, too."""

PURE = frozenset(
    {
        "__future__", "base64", "binascii", "calendar", "collections", "contextlib", "dataclasses", "datetime", "email",
        "enum", "functools", "hashlib", "hmac", "html", "ipaddress", "itertools", "json", "math", "mimetypes",
        "operator", "re", "string", "struct", "types", "typing", "unicodedata", "urllib", "xml", "xmltodict", "zlib",
    }
)  # fmt: skip
"""What the protocol may use besides the root values: nothing that waits, draws lots, reads a clock or writes a log."""

EXCEPTIONS = frozenset(
    {
        ("aios3._protocol.checksums.digests", "importlib"),
        ("aios3.options", "os"),
        ("aios3._providers.table", "pathlib"),
        ("aios3._providers.table", "tomllib"),
    }
)
"""Checksums look for an optional package that computes them faster; an option is a path, as `os.PathLike` says it; the
table of providers is a file of the package."""

MOST_LINES = 300


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Yield the full name of every module that a source imports, wherever in it."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            target = ".".join(filter(None, (base, node.module)))
            yield target
            if target == "aios3" or target.endswith(
                ("._upload", "._transport", "._protocol", "._config", "._driver", "._journal")
            ):
                yield from (f"{target}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> str:
    """Return the layer of one of the package's modules."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    return "root values" if parts[1] in ROOT_VALUES else parts[1]


def complaints(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Return every import that a module must not have."""
    found = []
    for target in imports_of(source, module, is_package=is_package):
        reason = _complaint(module, target)
        if reason:
            found.append(f"{module} imports {target}: {reason}")
    return found


def _complaint(module: str, target: str) -> str | None:
    layer = layer_of(module)
    if target.split(".")[0] != "aios3":
        return _about_others(module, layer, target.split(".")[0])
    if target == "aios3":
        return None if layer == "testing" else "the package as a whole is for its users"
    theirs = layer_of(target)
    if layer == "testing":
        return None if theirs in ("testing", "root values") else "the server shares nothing with the library"
    if theirs == "testing":
        return "only tests import it"
    if theirs in FOR_USERS and layer not in ("__init__", theirs):
        return "it is for users"
    if theirs not in ORDER and theirs not in ROOT_VALUES:
        return None  # a name of the package itself
    if ORDER.index(theirs) < ORDER.index(layer):
        return f"{layer} may not import {theirs}"
    if layer == "root values" and theirs == layer:
        mine, other = module.split(".")[1], target.split(".")[1]
        if ROOT_VALUES.index(other) < ROOT_VALUES.index(mine):
            return f"{mine} may not import {other}"
    if layer == "_upload" and theirs == "_transport" and target.split(".")[:3] != ["aios3", "_transport", "base"]:
        return "uploads know the interface only" if len(target.split(".")) > 2 else None
    return None


def _about_others(module: str, layer: str, package: str) -> str | None:
    if (
        layer in ("_protocol", "root values", "_providers")
        and package not in PURE
        and (module, package) not in EXCEPTIONS
    ):
        return "the protocol is pure"
    if package == "aiohttp" and layer not in ("_transport", "driver", "_driver"):
        return "only the transport speaks HTTP"
    if package == "pytest" and module != "aios3.testing.pytest_plugin":
        return "only the plugin for pytest knows it"
    known = package in sys.stdlib_module_names or package in {"aiohttp", "aiofiles", "xmltodict", "pytest"}
    return None if known or (layer == "_transport" and package == "yarl") else "it is no dependency"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_to_the_right(path: Path) -> None:
    """Of every module, also those inside functions."""
    assert complaints(path.read_text(), name_of(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aios3._protocol.policies.retry", "from aios3._concurrency.clock import Clock"),
        ("aios3._protocol.policies.retry", "def f():\n    import random"),
        ("aios3._protocol.policies.retry", "import asyncio"),
        ("aios3._protocol.policies.retry", "import os.path"),
        ("aios3._protocol.policies.retry", "from time import monotonic"),
        ("aios3._protocol.policies.retry", "from logging import getLogger"),
        ("aios3._protocol.policies.retry", "from .._transport import base"),
        ("aios3._transport.base", "from aios3._upload.shared.engine import Engine"),
        ("aios3._transport.base", "from aios3 import _upload"),
        ("aios3._client.client", "from aios3._config.settings import Settings"),
        ("aios3._client.client", "from aios3.driver import S3StorageDriver"),
        ("aios3._client.client", "from aios3 import S3StorageDriver"),
        ("aios3._client.client", "from ..driver import S3StorageDriver"),
        ("aios3._client.client", "import aiohttp"),
        ("aios3._client.client", "from aios3._transport.aiohttp_transport import AiohttpTransport"),
        ("aios3._client.client", "from aios3._transport import aiohttp_transport"),
        ("aios3._client.client", "import requests"),
        ("aios3._config.settings", "from aios3._driver.base import DriverBase"),
        ("aios3._driver.base", "from aios3.driver import S3StorageDriver"),
        ("aios3._config.settings", "from aios3.credential_providers import SsoCredentials"),
        ("aios3.driver", "from aios3.credential_providers import SsoCredentials"),
        ("aios3.credential_providers", "from aios3._driver.base import DriverBase"),
        ("aios3.credential_providers", "import aiohttp"),
        ("aios3.driver", "from aios3.testing import S3Server"),
        ("aios3.driver", "import pytest"),
        ("aios3.errors", "from aios3.options import MIB"),
        ("aios3.options", "from aios3.providers import Provider"),
        ("aios3.options", "import asyncio"),
        ("aios3.testing.server.server", "from aios3._protocol.wire.sigv4 import sign"),
        ("aios3.testing.server.server", "from aios3.driver import S3StorageDriver"),
    ],
)
def test_a_wrong_arrow_is_caught(module: str, source: str) -> None:
    """The check above really checks."""
    assert complaints(source, module) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "aios3._protocol.policies.retry",
            "from aios3.errors import StorageError\nimport xmltodict\nfrom .messages import Body",
        ),
        (
            "aios3._client.client",
            "import asyncio\nfrom .clock import Clock\nfrom aios3._transport.base import Transport",
        ),
        (
            "aios3._transport.aiohttp_transport",
            "import aiohttp\nimport yarl\nfrom aios3._protocol.wire.uri import Endpoint",
        ),
        ("aios3._driver.base", "import aiohttp\nfrom aios3._transport.aiohttp_transport import AiohttpTransport"),
        ("aios3.credential_providers", "from aios3._config.credentials.sso import SsoCredentials"),
        ("aios3.driver", "import aiofiles\nfrom aios3._upload.lifecycle import run_upload"),
        ("aios3.providers", "from aios3.options import MIB"),
        (
            "aios3.testing.server.server",
            "from aios3.providers import Provider\nfrom .store import Store\nimport socket",
        ),
    ],
)
def test_a_right_arrow_is_not(module: str, source: str) -> None:
    """The check above is not simply against everything."""
    assert complaints(source, module) == []


def importers_of(package: str, folder: Path) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*.py")
        if any(target.split(".")[0] == package for target in imports_of(path.read_text(), name_of(path)))
    }


def test_only_the_transport_uses_aiohttp() -> None:
    """The drivers name it, for the type of a session that is handed in."""
    users = {path.split("/")[1] for path in importers_of("aiohttp", PACKAGE)}
    assert users <= {"_transport", "_driver", "driver.py"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_all_says_what_is_there(path: Path) -> None:
    """Every name in `__all__` exists, is there once, and what a module defines for others is in it."""
    module = importlib.import_module(name_of(path))
    names = getattr(module, "__all__", None)
    tree = ast.parse(path.read_text())
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
    if names is None:
        assert not defined
        return
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(module, name)] == []
    if path.parent.name != "testing":
        assert {name for name in defined if name in _used_elsewhere()} <= set(names)


@functools.cache
def _used_elsewhere() -> set[str]:
    """Return every name that some module of the library imports from another."""
    return {
        alias.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("aios3"))
        for alias in node.names
    }


def test_the_package_exports_its_public_names() -> None:
    """Every error and every driver, and nothing that is private."""
    import aios3

    assert sorted(aios3.__all__, key=lambda name: (not name.isupper(), name)) == aios3.__all__
    for module in ("errors", "driver"):
        assert set(importlib.import_module(f"aios3.{module}").__all__) <= set(aios3.__all__)
    assert not [name for name in aios3.__all__ if name.startswith("_")]


def home_of_tests(path: Path) -> Path:
    """Return the file that holds a module's tests: the folder loses its underscore, the file gains ``test_``."""
    relative = path.relative_to(PACKAGE)
    folders = [part.removeprefix("_") for part in relative.parent.parts]
    return ROOT.joinpath("tests", *folders, f"test_{relative.stem.removeprefix('_')}.py")


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name_of)
def test_every_module_has_its_tests(path: Path) -> None:
    """``aios3/_upload/memory/budget.py`` is tested by ``tests/unit/upload/memory/test_budget.py``."""
    assert home_of_tests(path).exists(), home_of_tests(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long(path: Path) -> None:
    """A module is one idea."""
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    """In its first line, unless it is empty; and no name hides one of the standard library."""
    source = path.read_text()
    assert not source or ast.get_docstring(ast.parse(source))
    assert path.stem not in sys.stdlib_module_names or path.stem == "__init__"
    assert "utils" not in path.stem
    assert "helper" not in path.stem
