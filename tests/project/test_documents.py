"""Documents: each block of code is executed by a test or says why not, and each link leads somewhere.

``python -m tests.project.test_documents`` prints the count of the blocks.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support import documents
from tests.support.documents import PAGES, Block, anchors_of, blocks_of, links_of
from tests.support.places import ROOT

MODULES: Final = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "aios3").rglob("*.py"))]
NO_CODE: Final = {"text": "plain text", "mermaid": "a picture"}
"""Languages of blocks that are not run. `make docs` processes directives, which stand in braces."""


@cache
def executing() -> dict[tuple[str, int], str]:
    """Return the test file that executes a block, for each page and line."""
    return {
        (block.page, block.line): path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "page_block" in (source := path.read_text(encoding="utf-8")) and path.name != "documents.py"
        for block in named_in(source)
    }


def named_in(source: str) -> Iterator[Block]:
    """Yield the blocks that the calls of `page_block` and `page_blocks` in a source name."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.startswith("page_block"):
            arguments = [ast.literal_eval(each) for each in call.args]
            yield from documents.page_blocks(
                *arguments, **{each.arg: ast.literal_eval(each.value) for each in call.keywords}
            )


def state_of(block: Block) -> str:
    """Return in which of the ways a block is accounted for; empty if in none."""
    is_executed = (block.page, block.line) in executing()
    assert not (is_executed and block.reason), f"{block.page}:{block.line} is executed: its mark is wrong"
    if is_executed:
        return "executed"
    if block.language.startswith("{"):
        return "no code: a directive of the site"
    return f"no code: {NO_CODE[block.language]}" if block.language in NO_CODE else f"not executed: {block.reason or ''}"


@pytest.mark.parametrize("page", [page for page in (*PAGES, *MODULES) if any(blocks_of(page))])
def test_each_block_of_code_is_executed_by_a_test_or_says_why_not(page: str) -> None:
    assert [f"{page}:{block.line}" for block in blocks_of(page) if state_of(block) == "not executed: "] == []


def test_a_block_that_no_test_executes_is_python_too() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "python":
                compile(block.text, f"{page}:{block.line}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_to_a_file_and_a_heading(page: str) -> None:
    """Addresses outside are not visited; they must be https."""
    assert [link for link in links_of(page) if not is_good(page, link)] == []


def is_good(page: str, link: str) -> bool:
    address = urlsplit(link)
    if address.scheme:
        return address.scheme == "mailto" or (address.scheme == "https" and bool(address.hostname))
    target = (ROOT / page).parent / address.path if address.path else ROOT / page
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return False
    return not address.fragment or address.fragment in anchors_of(target.resolve().relative_to(ROOT).as_posix())


@pytest.mark.parametrize(
    ("link", "good"),
    [
        ("docs/start.md", True),
        ("docs/start.md#write-the-endpoint", True),
        ("docs/start.md#write-an-endpoint", False),
        ("#install", True),
        ("docs/nothing.md", False),
        ("../outside", False),
        ("https://tus.io", True),
        ("http://tus.io", False),
        ("https:///nothing", False),
    ],
)
def test_a_link_to_nothing_is_found(link: str, good: bool) -> None:
    assert is_good("README.md", link) is good


def census() -> Iterator[str]:
    """Yield the lines of the count."""
    blocks = [block for page in (*PAGES, *MODULES) for block in blocks_of(page)]
    states = Counter(state_of(block) for block in blocks)
    code = [block for block in blocks if not state_of(block).startswith("no code")]
    languages = Counter(block.language for block in code)
    yield f"{len(code)} blocks of code ({', '.join(f'{n} {name}' for name, n in languages.most_common())})"
    yield from (f"{number:4} {state}" for state, number in states.most_common())


if __name__ == "__main__":
    print(*census(), sep="\n")
