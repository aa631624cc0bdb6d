"""Each extra alone: what the core imports without it, what it adds, and what the error says that misses it.

``python -m tests.project.wheel.extras dist/*.whl [--python python3.12] [--releases oldest]``
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Final

from tests.project.wheel.environments import ISOLATED, NEWEST, OLDEST, Environments, extras_of, oldest, run

__all__ = ["check_extras"]

ROOT: Final = Path(__file__).parents[3]

IMPORT_ALL: Final = """
import importlib, json, pkgutil, re, aios3
missing = {}
for found in pkgutil.walk_packages(aios3.__path__, "aios3."):
    if "._" in found.name or found.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(found.name)
    except ImportError as error:
        named = re.search(r"aios3-upload\\[(\\w+)\\]", str(error))
        missing[found.name] = named[1] if named else f"no extra, but {error!r}"
print(json.dumps(missing))
"""
"""Imports every public module, and prints which extra the error names for each that cannot be imported."""

USES: Final = {
    "checksums": "from aios3 import PROVIDERS, TransferConfig\n"
    "from aios3._driver.arguments import checksum_of\n"
    "checksum_of(PROVIDERS['aws'], TransferConfig(checksum='crc64nvme'))",
    "cli": "from aios3.directories import wake_ups; wake_ups('.', 1)",
    "login": "from aios3._config.credential_requests.dpop import _load_curve; _load_curve()",
    "web": "from aios3.web._requests.form_parser import FormParser\n"
    "FormParser('multipart/form-data; boundary=b', max_headers=9, max_header_size=99)",
}
"""Programs that need an extra although every module can be imported without it."""


def check_extras(wheel: Path, python: str, releases: str) -> list[str]:
    """Install the core and each extra alone, and return the names of the extras that hold what they promise.

    Raises:
        AssertionError: a module cannot be imported with its extra, or its error does not name the extra.
    """
    with tempfile.TemporaryDirectory() as folder:
        environments = Environments(python, Path(folder))
        core = environments.make("core", str(wheel), releases=releases, pins=oldest(ROOT))
        extras = extras_of(ROOT)
        extra_of = json.loads(run(core, ISOLATED, "-W", "error", "-c", IMPORT_ALL))
        assert set(extra_of.values()) <= set(extras), extra_of
        for extra in extras:
            pins = oldest(ROOT, extra)
            alone = environments.make(extra, f"{wheel}[{extra}]", releases=releases, pins=pins)
            missing = json.loads(run(alone, ISOLATED, "-c", IMPORT_ALL))
            assert extra not in missing.values(), missing
            if extra in USES:
                assert f"aios3-upload[{extra}]" in _words_of(core, USES[extra]), extra
                run(alone, ISOLATED, "-c", USES[extra])
        return list(extras)


def _words_of(python: str, program: str) -> str:
    """Return the message of the error with which a program ends."""
    lines = "\n".join(f"    {line}" for line in program.strip().splitlines())
    return run(python, ISOLATED, "-c", f"try:\n{lines}\nexcept Exception as error:\n    print(error)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default="python3", help="command of the interpreter")
    parser.add_argument("--releases", choices=(NEWEST, OLDEST), default=NEWEST)
    chosen = parser.parse_args()
    extras = check_extras(chosen.wheel.resolve(), chosen.python, chosen.releases)
    print(f"{chosen.python}, {chosen.releases} releases: the core and {', '.join(extras)} each alone")


if __name__ == "__main__":
    main()
