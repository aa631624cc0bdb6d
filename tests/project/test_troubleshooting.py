"""The page of error messages: it names every error, and every message that it quotes is one of the library's."""

from __future__ import annotations

import re

from tests.project.test_api import PUBLIC_MODULES
from tests.support.places import PACKAGE, ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
SOURCE = " ".join("".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")).split())
# Adjacent literals become one, and a placeholder becomes "...".
MESSAGES = re.sub(r"\{[^{}]*\}", "...", re.sub(r"\"\s+f?\"", "", SOURCE))
OF_OTHERS = ("certificate verify failed", "No space left on device")
"""Words of aiohttp, of OpenSSL and of the system, in messages that aios3 passes on."""


def quoted_messages():
    for line in PAGE.splitlines():
        cell = line.split(" | ")[0].removeprefix("| ")
        error, separator, message = cell.rpartition("`: ")
        if line.startswith("| ") and (separator and error.endswith(("Error", "..."))):
            yield message
        elif line.startswith("| ") and not cell.startswith(("`", "---", "message", "error", "seen")):
            yield cell


def test_every_error_is_named():
    names = [name for module in PUBLIC_MODULES for name in module.__all__ if name.endswith("Error")]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_quoted_message_is_of_the_library():
    before_the_last_table = PAGE.split("## Something is wrong, without an error")[0]
    pieces = [
        piece.strip()
        for message in quoted_messages()
        if message in before_the_last_table and "any of these" not in message and not message.startswith("`")
        for piece in re.split(r"\.\.\.(?: s while)?", message)
        if len(piece.strip()) > 8 and piece.strip() not in OF_OTHERS
    ]
    assert len(pieces) > 30
    assert [piece for piece in pieces if piece not in MESSAGES and "any other code" not in piece] == []
