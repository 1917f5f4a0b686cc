"""The program without an installation: `python -m vade_tf predict ...` is `vade-tf predict ...`."""

import sys

from vade_tf.cli.entry import main

if __name__ == "__main__":
    sys.exit(main("python -m vade_tf"))
