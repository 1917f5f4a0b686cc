"""The program without an installation: `python -m vade_tf predict ...` is `vade-tf predict ...`."""

import sys

from vade_tf.cli.main import program

if __name__ == "__main__":
    sys.exit(program("python -m vade_tf"))
