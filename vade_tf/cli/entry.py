"""Where the programs begin: `vade-tf`, `train.py` and `evaluate.py`."""

import importlib
import signal

from vade_tf.cli.signals import leave


def main(prog: str = "vade-tf", command: str = "main") -> int:
    """Run a program.

    Args:
        prog: as typed.
        command: the module of `vade_tf.cli` that has it.

    Returns:
        The exit code.
    """
    try:
        return leave(importlib.import_module(f"vade_tf.cli.{command}").main(prog=prog))
    except KeyboardInterrupt:  # before the command listens for signals
        return leave(128 + signal.SIGINT)


def train() -> int:
    """The program `train.py`."""
    return main("train.py", "train")


def evaluate() -> int:
    """The program `evaluate.py`."""
    return main("evaluate.py", "evaluate")
