"""The command `gradlet`: one subcommand a module, found by its name in `COMMANDS`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import gradlet
from gradlet.ir.errors import CompileError

# Each is a module of gradlet.tools with HELP, configure(parser) and main(args) -> exit status.
COMMANDS = ("compile", "run", "export", "show", "bisect", "new_op")
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="gradlet", description="Compiles models into training programs for small devices."
    )
    top.add_argument("--version", action="version", version=f"gradlet {gradlet.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"gradlet.tools.{name}")
        sub = commands.add_parser(
            name, help=module.HELP, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.configure(sub)
        sub.set_defaults(main=module.main)
    return top


def main(argv: Sequence[str]) -> int:
    """Runs one subcommand; the user's mistakes are printed, bugs are raised."""
    args = parser().parse_args(argv)
    try:
        return int(args.main(args))
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing half-written was left", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, as in `gradlet show p | head`
        return 1


def console() -> None:
    """The entry point of the installed command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    console()
