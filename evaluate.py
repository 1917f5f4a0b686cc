"""Evaluate from the command line: `python evaluate.py runs/mnist` is `vade-tf evaluate runs/mnist`."""

import sys

from vade_tf.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main(prog="evaluate.py"))
