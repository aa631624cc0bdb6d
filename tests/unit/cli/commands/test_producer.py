"""The words after ``--``, which belong to another command."""

from __future__ import annotations

import click
import pytest

from aios3.cli._commands.producer import CommandWithProducer


@pytest.mark.parametrize(
    ("words", "producer"),
    [(["a"], None), (["a", "--", "tar", "-c", "--", "x"], ["tar", "-c", "--", "x"]), (["--", "--help"], ["--help"])],
)
def test_everything_after_the_dashes_belongs_to_the_producer(words: list[str], producer: list[str] | None) -> None:
    command = CommandWithProducer("put", params=[click.Argument(["words"], nargs=-1)])
    context = command.make_context("put", list(words))
    assert (context.obj, context.params["words"]) == (producer, tuple(words[:1] if words[0] == "a" else ()))
