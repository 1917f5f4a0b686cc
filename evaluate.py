"""Evaluate from the command line: `python evaluate.py runs/mnist` is `vade-tf evaluate runs/mnist`."""

import sys

from vade_tf.cli.main import program

if __name__ == "__main__":
    sys.exit(program("evaluate.py", "evaluate"))
