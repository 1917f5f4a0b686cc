"""Evaluate from the command line: `python evaluate.py runs/mnist` is `vade-tf evaluate runs/mnist`."""

import sys

from vade_tf.cli.entry import evaluate

if __name__ == "__main__":
    sys.exit(evaluate())
