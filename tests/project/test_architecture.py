"""The layers: which module may import which, and what every module must have."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.places import PACKAGE, ROOT

MODULES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "__init__",
    "__main__",
    "cli",
    "dask",
    "web",
    "fsspec",
    "otel",
    "doctor",
    "_doctor",
    "driver",
    "_driver",
    "credential_providers",
    "commands",
    "directories",
    "_config",
    "_journal",
    "_upload",
    "_client",
    "_transport",
    "_protocol",
    "_concurrency",
    "root values",
    "_providers",
)
"""Each layer may import itself and what is to its right."""

FOR_USERS = ("dask", "web", "fsspec", "otel", "doctor", "credential_providers", "commands", "directories")
"""Public modules beside the drivers: users need them, and no layer does."""

ROOT_VALUES = (
    "providers",
    "options",
    "checkpoints",
    "observing",
    "models",
    "timing",
    "credentials",
    "errors",
    "_extras",
)
"""The modules that every layer may import; among themselves they import to the right, too."""

PURE_LAYERS = ("_protocol", "root values", "_providers")
PURE = frozenset(
    {
        "__future__", "base64", "binascii", "calendar", "collections", "contextlib", "dataclasses", "datetime", "email",
        "enum", "functools", "hashlib", "heapq", "hmac", "html", "ipaddress", "itertools", "json", "math", "mimetypes",
        "operator", "re", "string", "struct", "types", "typing", "unicodedata", "urllib", "xml", "xmltodict", "zlib",
    }
)  # fmt: skip
"""What a pure layer may use: nothing that waits, draws random numbers, reads a clock or writes a log."""

PURE_MODULES = frozenset(
    [
        *(f"aios3.web._resumable.{name}" for name in ("description", "draft", "messages", "tus")),
        "aios3.web._progress.events",
        "aios3.dask._cluster.grid",
    ]
)
"""Modules of another layer that are pure, too: headers and values of protocols for the web, places on the grid."""

EXCEPTIONS = frozenset(
    {
        ("aios3._protocol.checksums.digests", "importlib"),
        ("aios3.options", "os"),
        ("aios3.checkpoints", "pickle"),
        ("aios3._providers.toml_reader", "pathlib"),
        ("aios3._providers.toml_reader", "tomllib"),
    }
)
"""Checksums look for an optional package that computes them faster; an option is a path, as `os.PathLike` says it; a
recovered upload tries whether its error can be pickled; the table of providers is a file of the package."""

FOR_TYPES = frozenset({("aios3.errors", "aios3.checkpoints")})
"""Imports to the left that only type checkers follow, and what they point to."""

EXTRAS = frozenset({
    ("web", "python_multipart"), ("cli", "click"), ("cli", "rich"), ("directories", "watchfiles"),
    ("otel", "opentelemetry"), ("dask", "distributed"), ("fsspec", "fsspec"),
})  # fmt: skip
"""Optional packages, and the layer that imports them."""

MOST_LINES = 400
LONGER = frozenset({"aios3.driver"})
"""Half of the class that users open is docstrings."""
MOST_MODULES = 15
"""In one folder, beside its ``__init__``."""


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES: Mapping[str, Path] = {name_of(path): path for path in MODULES}


def imports_of(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Yield the full name of every module that a source imports, wherever in it."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            target = ".".join(filter(None, (base, node.module)))
            is_module = FILES.get(target, Path("x.py")).name != "__init__.py"
            names = [f"{target}.{alias.name}" for alias in node.names]
            yield from (name if not is_module and (name in FILES or target == "aios3") else target for name in names)


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
    theirs = layer_of(target)
    if (module, target) in FOR_TYPES:
        return None
    if layer == "testing":
        return (
            None if theirs in ("testing", "root values", "__init__") else "the server shares nothing with the library"
        )
    if target == "aios3" or (theirs not in ORDER and theirs != "testing" and target not in FILES):
        return "the package as a whole is for its users" if layer not in ("__init__", "cli") else None
    if theirs == "testing":
        return "only tests import it"
    if layer == "cli" and theirs.startswith("_"):
        return "the command line has what every user has"
    if theirs in FOR_USERS and layer not in ("__init__", "__main__", "cli", theirs):
        return "it is for users"
    if theirs == "cli" and layer not in ("cli", "__main__"):
        return "the library does not know the command line"
    if theirs == "web" and layer != "web":
        return "the core does not know the web"
    if ORDER.index(theirs) < ORDER.index(layer):
        return f"{layer} may not import {theirs}"
    if layer == "root values" and theirs == layer:
        mine, other = module.split(".")[1], target.split(".")[1]
        if ROOT_VALUES.index(other) < ROOT_VALUES.index(mine):
            return f"{mine} may not import {other}"
    if layer in ("_upload", "_client") and theirs == "_transport" and target != "aios3._transport.interface":
        return "operations know the interface only"
    return None


def _about_others(module: str, layer: str, package: str) -> str | None:
    if (layer in PURE_LAYERS or module in PURE_MODULES) and package not in PURE and (module, package) not in EXCEPTIONS:
        return "the protocol is pure"
    if package == "aiohttp" and layer not in ("_transport", "driver", "_driver", "web"):
        return "only the transport speaks HTTP"
    if package == "pytest" and module != "aios3.testing.pytest_plugin":
        return "only the plugin for pytest knows it"
    if (layer, package) in EXTRAS:
        return None
    known = package in sys.stdlib_module_names or package in {"aiohttp", "aiofiles", "xmltodict", "pytest"}
    return None if known or (layer == "_transport" and package == "yarl") else "it is no dependency"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_to_the_right(path: Path) -> None:
    """Of every module, also those inside functions."""
    assert complaints(path.read_text(), name_of(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aios3._protocol.policies.retry", "from aios3._concurrency.clock import Clock\nimport time"),
        ("aios3._protocol.policies.retry", "from aios3._client.client import OperationClient"),
        ("aios3._protocol.policies.retry", "def f():\n    import random"),
        ("aios3._protocol.policies.retry", "import asyncio"),
        ("aios3._protocol.policies.retry", "import os.path"),
        ("aios3._protocol.policies.retry", "from time import monotonic"),
        ("aios3._protocol.policies.retry", "from logging import getLogger"),
        ("aios3._protocol.policies.retry", "from ..._transport import base"),
        ("aios3._transport.interface", "from aios3._upload.shared.engine import Engine"),
        ("aios3._transport.interface", "from aios3 import _upload"),
        ("aios3._concurrency.threads", "from aios3._client.client import OperationClient"),
        ("aios3._client.client", "from aios3._config.settings import Settings"),
        ("aios3._client.client", "from aios3._upload.shared.job import UploadJob"),
        ("aios3._client.client", "from aios3.driver import S3StorageDriver"),
        ("aios3._client.client", "from aios3 import S3StorageDriver"),
        ("aios3._client.client", "from ..driver import S3StorageDriver"),
        ("aios3._client.client", "import aiohttp"),
        ("aios3._client.client", "from aios3._transport.aiohttp_transport import AiohttpTransport"),
        ("aios3._upload.uploader", "from aios3._transport import aiohttp_transport"),
        ("aios3._client.client", "import requests"),
        ("aios3._config.settings", "from aios3._driver.base import DriverBase"),
        ("aios3._driver.base", "from aios3.driver import S3StorageDriver"),
        ("aios3._config.settings", "from aios3.credential_providers import SsoCredentials"),
        ("aios3.driver", "from aios3.credential_providers import SsoCredentials"),
        ("aios3.credential_providers", "from aios3._driver.base import DriverBase"),
        ("aios3.credential_providers", "import aiohttp"),
        ("aios3.driver", "from aios3.testing import S3Server"),
        ("aios3.driver", "from aios3.web.statuses import status_of"),
        ("aios3.driver", "import python_multipart"),
        ("aios3.driver", "from aios3.otel import OpenTelemetryObserver"),
        ("aios3._client.client", "from opentelemetry import trace"),
        ("aios3.driver", "from aios3.dask import upload_files"),
        ("aios3.driver", "import distributed"),
        ("aios3.dask._cluster.grid", "import asyncio"),
        ("aios3.driver", "from aios3.fsspec import Aios3FileSystem"),
        ("aios3.driver", "import fsspec"),
        ("aios3.web.forms", "import starlette"),
        ("aios3.web.forms", "from aios3.cli._shared.targets import S3Url"),
        ("aios3.driver", "import click"),
        ("aios3.cli.put", "from aios3._driver.base import DriverBase"),
        ("aios3.cli.put", "import aiohttp"),
        ("aios3.driver", "import pytest"),
        ("aios3.driver", "from aios3.web import ResumableUploads"),
        ("aios3", "from aios3.web.resumable import ResumableUploads"),
        ("aios3.web.resumable", "import starlette"),
        ("aios3.web._resumable.tus", "import asyncio"),
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
        ("aios3._protocol.policies.retry", "from aios3.errors import StorageError\nimport xmltodict"),
        (
            "aios3._client.client",
            "import asyncio\nfrom .attempt import Attempt\nfrom aios3._transport.interface import Transport",
        ),
        ("aios3._transport.aiohttp_transport", "import aiohttp\nimport yarl\nfrom aios3._protocol.wire import uri"),
        ("aios3._driver.base", "import aiohttp\nfrom aios3._transport.aiohttp_transport import AiohttpTransport"),
        ("aios3.credential_providers", "from aios3._config.credentials.sso import SsoCredentials"),
        ("aios3.driver", "import aiofiles\nfrom aios3._upload.lifecycle import run_upload"),
        ("aios3.providers", "from aios3.options import MIB"),
        ("aios3.cli.put", "import click\nfrom aios3.commands import command_output"),
        ("aios3.testing.server.server", "from aios3.providers import Provider\nimport socket"),
    ],
)
def test_a_right_arrow_is_not(module: str, source: str) -> None:
    """The check above is not simply against everything."""
    assert complaints(source, module) == []


def folder_imports(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return which folder imports which others; the packages' doors at the root of a tree count for themselves."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module, targets in imports.items():
        for target in targets:
            mine, theirs = module.rpartition(".")[0], target.rpartition(".")[0]
            if mine != theirs and not {mine, theirs} & {"", "aios3", "aios3.testing"}:
                graph[mine].add(theirs)
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return every pair of folders that reach each other."""

    def reached_from(folder: str) -> set[str]:
        found: set[str] = set()
        rest = [folder]
        while rest:
            rest += (new := graph.get(rest.pop(), set()) - found)
            found |= new
        return found

    reached = {folder: reached_from(folder) for folder in graph}
    return [
        (one, other)
        for one, other in itertools.combinations(sorted(graph), 2)
        if other in reached[one] and one in reached[other]
    ]


def test_no_folders_import_each_other() -> None:
    """Neither directly nor by way of others."""
    imports = {
        module: {target for target in imports_of(path.read_text(), module) if target in FILES}
        for module, path in FILES.items()
        if path.name != "__init__.py"
    }
    assert circles(folder_imports(imports)) == []


def test_a_circle_of_folders_is_caught() -> None:
    """Also one through a third folder."""
    direct = {"aios3._a.x": {"aios3._b.y"}, "aios3._b.z": {"aios3._a.w"}}
    around = {"aios3._a.x": {"aios3._b.y"}, "aios3._b.z": {"aios3._c.v"}, "aios3._c.v": {"aios3._a.w"}}
    assert circles(folder_imports(direct)) == [("aios3._a", "aios3._b")]
    assert ("aios3._a", "aios3._b") in circles(folder_imports(around))


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
    if "testing" not in path.parts:
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


@functools.cache
def _imported_by_tests(folder: Path) -> set[str]:
    """Return the modules of the package that the tests directly in a folder import."""
    return {
        target
        for path in folder.glob("test_*.py")
        for target in imports_of(path.read_text(), "tests.any")
        if target in FILES
    }


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name_of)
def test_tests_mirror_the_folders(path: Path) -> None:
    """A test in ``tests/unit/upload/memory`` imports ``aios3/_upload/memory/budget.py``; or its file has that name."""
    folders = [part.removeprefix("_") for part in path.relative_to(PACKAGE).parent.parts]
    home = ROOT.joinpath("tests", "unit", *folders)
    is_named = home.joinpath(f"test_{path.stem}.py").exists()
    assert is_named or name_of(path) in _imported_by_tests(home) or len(folders) == 0


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_is_read_in_one_sitting(path: Path) -> None:
    """It has at most 400 lines, and its first line says what it is, unless it is empty."""
    source = path.read_text()
    assert len(source.splitlines()) <= MOST_LINES or name_of(path) in LONGER
    assert not source or ast.get_docstring(ast.parse(source))
    assert path.stem not in sys.stdlib_module_names or path.stem == "__init__"
    assert "utils" not in path.stem
    assert "helper" not in path.stem


def test_no_folder_is_crowded() -> None:
    """A stranger finds a module by reading the names of one folder."""
    counts: dict[Path, int] = defaultdict(int)
    for path in MODULES:
        counts[path.parent] += path.name != "__init__.py"
    assert {folder.name: count for folder, count in counts.items() if count > MOST_MODULES} == {}
