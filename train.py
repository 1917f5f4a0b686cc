"""Train from the command line: `python train.py --dataset mnist` is `vade-tf train --dataset mnist`."""

import sys

from vade_tf.cli.main import program

if __name__ == "__main__":
    sys.exit(program("train.py", "train"))
