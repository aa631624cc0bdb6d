"""Rules of the language guide in CONTRIBUTING.md that a machine can check."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.places import PACKAGE, ROOT

SOURCES: Final = sorted(PACKAGE.rglob("*.py"))
DATA: Final = sorted(PACKAGE.rglob("*.toml"))
GENERATED: Final = frozenset({"docs/conformance.md", "docs/leaks.md"})
"""Result tables that a command writes."""
DOCUMENTS: Final = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.relative_to(ROOT).as_posix() not in GENERATED),
]

QUESTION: Final = re.compile(r"\W*(What|Who|Whose|Whether|How|Where|Which)\b", re.IGNORECASE)
NOT_USED: Final = re.compile(
    r"\b(whoever|nobody|somebody|anew|for ever|heed(?:s|ed)?|told|puts? right|putting right|"
    r"(?:go|goes|going|gone|went) on with|(?:come|comes|coming|came) to nothing|its kin|in its stead|"
    r"no more(?! (?:than|\w+ than)\b))\b",
    re.IGNORECASE,
)
MOST_WORDS: Final = 30

_TEXT: Final = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
_WITHOUT_TEXT: Final = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
_ENTRY: Final = re.compile(r"\A(?:[-*+]|\d+\.)\s+")
_SENTENCE_END: Final = re.compile(r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<=[.!?])[\"')*_]*\s+")


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of every string and of every run of comments in Python source."""
    run: list[str] = []
    first = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            first = first if run else token.start[0]
            run.append(token.string.lstrip("# "))
            continue
        if token.type in _TEXT:
            yield token.start[0], " ".join(token.string.split())
        if token.type not in _WITHOUT_TEXT and run:
            yield first, " ".join(run)
            run = []
    if run:
        yield first, " ".join(run)


def words_not_used(text: str) -> list[str]:
    """Return every expression of rule 10 in a text."""
    return [found.group(0) for found in NOT_USED.finditer(text)]


def blocks_of(document: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every paragraph and list entry of a Markdown document.

    Code blocks, tables, headings and HTML are left out.
    """
    block: list[str] = []
    first, fence = 0, ""
    for number, line in enumerate([*document.splitlines(), ""], 1):
        text = line.strip().removeprefix("> ")
        mark = text[:3] if text.startswith(("```", "~~~")) else ""
        is_code = bool(fence or mark)
        if mark and fence in ("", mark):
            fence = "" if fence else mark
        is_prose = not is_code and bool(text) and not text.startswith(("|", "#", "<"))
        if block and (not is_prose or _ENTRY.match(text)):
            yield first, " ".join(block)
            block = []
        if is_prose:
            first = first if block else number
            block.append(_ENTRY.sub("", text, count=1))


def long_sentences(document: str) -> Iterator[tuple[int, int, str]]:
    """Yield the line of the block, the number of words, and the text of every sentence that is too long.

    A code span is one word, and so is an address; a link counts by its text.
    """
    for line, block in blocks_of(document):
        text = re.sub(r"`[^`]+`", "code", block)
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
        for sentence in _SENTENCE_END.split(text):
            words = len([word for word in sentence.split() if re.search(r"\w", word)])
            if words > MOST_WORDS:
                yield line, words, sentence


def test_a_module_docstring_begins_with_a_noun_phrase() -> None:
    """Rule 6: no question word comes first."""
    assert [
        f"{path.relative_to(PACKAGE)}: {docstring.splitlines()[0]}"
        for path in SOURCES
        if (docstring := ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))) and QUESTION.match(docstring)
    ] == []


def test_words_of_rule_10_are_in_no_text_of_the_package() -> None:
    """In docstrings, comments, messages, and the comments of data files."""
    assert [
        f"{path.relative_to(PACKAGE)}:{line}: {word}"
        for path in [*SOURCES, *DATA]
        for line, text in (texts_of if path.suffix == ".py" else lambda data: enumerate(data.splitlines(), 1))(
            path.read_text(encoding="utf-8")
        )
        for word in words_not_used(text)
    ] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_sentence_of_a_document_has_at_most_30_words(path: Path) -> None:
    """Rule 4."""
    assert [
        f"{line}: {words} words: {sentence}" for line, words, sentence in long_sentences(path.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('"""Whoever waits is\n\ntold."""', ["Whoever", "told"]),
        ("x = 1  # it waits for\n# ever\ny = 2", ["for ever"]),
        ('f"nobody {x} goes on with it"', ["nobody", "goes on with"]),
        ("raise ValueError('it takes no more bytes')", ["no more"]),
        ("nobody = 'no more than 3 parts, no more parts than 3'", []),
    ],
)
def test_words_of_rule_10_are_found_in_strings_and_comments(source: str, words: list[str]) -> None:
    assert [word for _, text in texts_of(source) for word in words_not_used(text)] == words


@pytest.mark.parametrize(
    ("document", "lengths"),
    [
        (f"{'word ' * 31}.", [31]),
        (f"- {'word ' * 16}\n  {'word ' * 15}.\n- One.", [31]),
        (f"**{'word ' * 20}.** {'word ' * 20}.", []),
        (f"- {'word ' * 20}\n- {'word ' * 20}", []),
        (f"[{'word ' * 30}](a b c) `a b c`.", [31]),
        (f"One:\n\n```text\n{'word ' * 40}\n```\n\n| {'word ' * 40} |\n\n# {'word ' * 40}", []),
    ],
)
def test_long_sentences_are_found_in_paragraphs_and_entries(document: str, lengths: list[int]) -> None:
    assert [words for _, words, _ in long_sentences(document)] == lengths
