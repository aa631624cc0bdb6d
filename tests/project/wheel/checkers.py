"""Type checkers on a user's file, beside the installed wheel.

``python -m tests.project.wheel.checkers dist/*.whl [--python python3.12]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.project.wheel.environments import Environments

__all__ = ["check_types"]

USER_CODE: Final = Path(__file__).with_name("user_code.py")
EXTRAS: Final = "testing,web"
PYRIGHT_SETTINGS: Final = {
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,  # those are mypy's
    "reportUnnecessaryTypeIgnoreComment": "error",
}


def check_types(wheel: Path, python: str) -> None:
    """Let mypy and pyright read `USER_CODE`, both as strict as they can be.

    The checkers run in a folder of their own, so they find neither the checkout nor its settings.

    Raises:
        subprocess.CalledProcessError: a checker complains. Its complaints are printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        user = Environments(python, Path(folder)).make("user", f"{wheel}[{EXTRAS}]")
        place = Path(folder) / "code"
        place.mkdir()
        shutil.copy(USER_CODE, place)
        (place / "pyrightconfig.json").write_text(json.dumps(PYRIGHT_SETTINGS), encoding="utf-8")
        for checker in (["mypy", "--strict", "--python-executable", user], ["pyright", "--pythonpath", user]):
            subprocess.run([sys.executable, "-m", *checker, USER_CODE.name], cwd=place, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default="python3", help="command of the interpreter")
    chosen = parser.parse_args()
    check_types(chosen.wheel.resolve(), chosen.python)


if __name__ == "__main__":
    main()
