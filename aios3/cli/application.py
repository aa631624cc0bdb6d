"""The command's group, and its last resort for errors of usage."""

from __future__ import annotations

from collections.abc import Sequence

from aios3 import __version__
from aios3._extras import of_extra

with of_extra("cli", "click", "rich"):
    import click

    from aios3.cli._commands.changing import cp, rm
    from aios3.cli._commands.doctor import doctor
    from aios3.cli._commands.open_uploads import uploads
    from aios3.cli._commands.put import put
    from aios3.cli._commands.reading import cat, get, ls, stat, url
    from aios3.cli._shared.exit_codes import ExitCode
    from aios3.cli._shared.options import InOrder
    from aios3.cli._shared.output import show_message
    from aios3.cli._shared.session import report

__all__ = ["run_application"]

EPILOG = """\b
Exit codes:
  0  done
  1  the store refused
  2  usage or configuration
  3  the source or its command failed; nothing was committed
  4  the store does not respond
  5  the outcome of the commit is unknown
  6  left open, to be resumed; the checkpoint is on standard output
  130, 143  ended by SIGINT or SIGTERM; the upload was aborted
            (a second signal with --journal: it may still be open)
"""


@click.group(
    cls=InOrder, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(version)s")
def application() -> None:
    """Stream files, pipes and the output of commands into S3-compatible stores."""


for _command in (put, get, cat, ls, stat, rm, cp, url, uploads, doctor):
    application.add_command(_command)


def run_application(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    try:
        result = application.main(arguments, prog_name="aios3", standalone_mode=False)
    except click.UsageError as error:
        return _show_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:  # noqa: BLE001 - a defect is raised again
        return report(error)
    return result if isinstance(result, int) else ExitCode.DONE


def _show_usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    command = "aios3" if error.ctx is None else error.ctx.command_path
    show_message(f"{error.format_message()} (see: {command} --help)")
    return ExitCode.USAGE
