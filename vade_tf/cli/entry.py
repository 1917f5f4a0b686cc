"""Where the programs begin: what is large is imported only where a stop of it ends in one line."""

from vade_tf.cli.signals import at_once, left


def main(prog: str = "vade-tf") -> int:
    """The program `vade-tf`, as typed; returns the exit code."""
    with at_once():
        from vade_tf.cli.main import main as command
    return left(command(prog=prog))


def train() -> int:
    """The program `train.py`."""
    with at_once():
        from vade_tf.cli.train import main as command
    return left(command(prog="train.py"))


def evaluate() -> int:
    """The program `evaluate.py`."""
    with at_once():
        from vade_tf.cli.evaluate import main as command
    return left(command(prog="evaluate.py"))
