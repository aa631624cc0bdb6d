"""Commands of ours whose words after ``--`` are another command, the producer of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from aios3.cli._shared.options import SectionedCommand

__all__ = ["CommandWithProducer"]

_FLAG: Final = "--if-none-match"


class CommandWithProducer(SectionedCommand):
    """Command that keeps the words after ``--`` as a list in ``ctx.obj``; without ``--`` that is ``None``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.obj = args[end + 1 :] if end < len(args) else None
        if ctx.obj == []:
            raise click.UsageError("name the command after --", ctx)
        return super().parse_args(ctx, _without_stars(args[:end]))


def _without_stars(args: Sequence[str]) -> list[str]:
    """Let ``--if-none-match '*'`` and ``--if-none-match=*`` mean the option, of which that is the only value."""
    kept: list[str] = []
    for word in args:
        if word != "*" or kept[-1:] != [_FLAG]:
            kept.append(_FLAG if word == f"{_FLAG}=*" else word)
    return kept
