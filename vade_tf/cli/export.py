"""Write a trained VaDE as a SavedModel that other programs load: no Python, no code of this package.

vade-tf export runs/mnist --to models/vade --version 3

writes models/vade/3, the layout TensorFlow Serving watches; docs/guide/serving.md shows what it answers and how to ask.
A version appears whole or not at all, and none is ever overwritten.
"""

from vade_tf.cli.command import Parser, execute, starting
from vade_tf.errors import InputError


def main(argv: list[str] | None = None, prog: str = "vade-tf export") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, __doc__)
    parser.add_argument("run", metavar="RUN", help="run folder or .keras file")
    parser.add_argument("--to", metavar="FOLDER", required=True, help="folder of all versions of this model")
    parser.add_argument("--version", type=int, default=1, help="whole number from 1 (default: 1)")
    options = parser.parse_args(argv)

    def work() -> None:
        with starting():
            from vade_tf.model.vade import VaDE
            from vade_tf.runs.load import load, load_schema
            from vade_tf.serving.export import export

        model = load(options.run)
        if not isinstance(model, VaDE):
            raise InputError("run", "a run of VaDE, which alone can be served", f"{options.run}, of another system")
        print(export(model, options.to, options.version, load_schema(options.run)))

    return execute(parser, work)
