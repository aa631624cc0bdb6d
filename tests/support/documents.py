"""Documents of the project: their blocks of code, which tests execute, and their headings and links."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any, Final

from tests.support.places import ROOT

__all__ = ["PAGES", "Block", "anchors_of", "blocks_of", "links_of", "page_block", "page_blocks", "text_of"]

PAGES: Final = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks/README.md")
)
"""Documents that people write or read, by their paths from the root."""

_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<text>[\s\S]*?)^(?P=indent)```$", re.MULTILINE)
_MARK: Final = re.compile(r"<!-- not executed: (.+?) -->\s*\Z")
_LITERAL: Final = re.compile(r"::\n\n(?P<text>(?:(?: {4}.*)?\n)+)")


@dataclass(frozen=True)
class Block:
    """One block of code of a document or of a docstring."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None
    """Why no test executes it, as its mark says."""

    def run(self, **names: Any) -> dict[str, Any]:
        """Execute a block of Python as a module with these names, and return all names."""
        names = {"__name__": "block"} | names
        exec(compile(self.text, f"{self.page}:{self.line}", "exec"), names)
        return names

    async def run_in_task(self, **names: Any) -> dict[str, Any]:
        """Execute a block of Python that awaits outside of functions."""
        waiting = eval(_compiled_as_task(self.text), names)
        if inspect.isawaitable(waiting):
            await waiting
        return names


def _compiled_as_task(text: str) -> CodeType:
    return compile(text, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # type: ignore[no-any-return]


@cache
def text_of(page: str) -> str:
    """Return a document."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of a document, or those of the docstrings of a module."""
    yield from _blocks_of_docstrings(page) if page.endswith(".py") else _blocks_of_document(page)


def _blocks_of_document(page: str) -> Iterator[Block]:
    text = text_of(page)
    for found in _FENCE.finditer(text):
        mark = _MARK.search(text[: found.start()])
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found["language"], textwrap.dedent(found["text"]), mark and mark[1])


def _blocks_of_docstrings(page: str) -> Iterator[Block]:
    for node in ast.walk(ast.parse(text_of(page))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for found in _LITERAL.finditer(f"{inspect.cleandoc(node.value.value)}\n"):
                text = textwrap.dedent(found["text"]).rstrip("\n") + "\n"
                yield Block(page, node.lineno, "python" if _is_python(text) else "text", text, None)


def _is_python(text: str) -> bool:
    try:
        _compiled_as_task(text)
    except SyntaxError:
        return False
    return True


def page_blocks(page: str, marker: str = "", language: str = "python") -> list[Block]:
    """Return the blocks in which the marker stands, for a test that executes them.

    The arguments are literals: the count of executed blocks reads these calls.
    """
    found = [each for each in blocks_of(page) if each.language == language and marker in each.text]
    assert found, f"{page} has no {language} block with {marker!r}"
    return found


def page_block(page: str, marker: str = "", language: str = "python") -> Block:
    """Return the one block in which the marker stands, as `page_blocks` does."""
    (found,) = page_blocks(page, marker, language)
    return found


def _prose_of(page: str) -> str:
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", text_of(page)))


def links_of(page: str) -> list[str]:
    """Return the targets of all links and pictures."""
    return re.findall(r"\]\(\s*([^)\s]+)[^)]*\)", _prose_of(page))


@cache
def anchors_of(page: str) -> frozenset[str]:
    """Return the anchors that the headings of a document have on the site and in the repository."""
    anchors: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", text_of(page)), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(anchors)
