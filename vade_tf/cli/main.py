"""Clusters of unlabelled data by Variational Deep Embedding (VaDE).

vade-tf train       train a model on a data set or on your own rows
vade-tf evaluate    scores, figures and a report of finished runs
vade-tf predict     clusters of new rows, as a table
vade-tf export      a SavedModel that a server loads

vade-tf COMMAND --help says more of each.
"""

import signal
import sys

from vade_tf import __version__
from vade_tf.cli import finished, train
from vade_tf.cli.command import Parser, leave

COMMANDS = {"train": train.main, "evaluate": finished.evaluate, "predict": finished.predict, "export": finished.export}


def main(argv: list[str] | None = None, prog: str = "vade-tf") -> int:
    """Run one command of the program as typed; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:], f"{prog} {argv[0]}")
    parser = Parser(prog, (__doc__ or "").replace("vade-tf ", f"{prog} "), usage=f"{prog} COMMAND ...")
    parser.add_argument("--version", action="version", version=f"vade-tf {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?", choices=COMMANDS, help=", ".join(COMMANDS))
    parser.parse_args(argv)
    parser.print_help()
    return 0


def program(prog: str = "vade-tf", command: str | None = None) -> int:
    """What the scripts run: the program, or one command of it, as typed; returns the exit code."""
    try:
        return leave((main if command is None else COMMANDS[command])(prog=prog))
    except KeyboardInterrupt:  # before the command listens for signals
        return leave(128 + signal.SIGINT)
