"""Clusters of new rows by a finished run, as a table row,cluster,confidence.

vade-tf predict runs/table --data new.csv                      to the screen
vade-tf predict runs/table --data new.csv --out clusters.csv   into a file, which is whole or not there

row counts from 0 in the order of the file; cluster is the most probable one, and confidence its probability.
"""

import argparse
import sys
from pathlib import Path

from vade_tf.cli.command import Parser, answer, check_single, path, starting
from vade_tf.errors import InputError


def main(argv: list[str] | None = None, prog: str = "vade-tf predict") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, __doc__)
    parser.add_argument("run", type=path, metavar="RUN", help="run folder, of VaDE or of any other system")
    parser.add_argument(
        "--data", type=path, metavar="FILE", required=True, help="rows: .npy, .npz (x) or .csv with a header"
    )
    parser.add_argument("--labels", metavar="COLUMN", help="column of the .csv that holds labels and is no feature")
    parser.add_argument(
        "--out", type=path, metavar="FILE", default="-", help="where the table goes (default: -, the screen)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(argv)
    return answer(prog, lambda: run(options), paths=(options.run,))


def run(options: argparse.Namespace) -> None:
    to_screen, out = options.out == "-", Path(options.out)
    if out.is_symlink():  # the link is kept, what it leads to is replaced
        if not out.exists():
            raise InputError(f"--out: {out} is a link to nothing; remove it, or choose another file")
        out = out.resolve()
    if not to_screen and not out.parent.is_dir():
        raise InputError(f"--out: expected a file in an existing folder, got {out}; make the folder {out.parent} first")
    if not to_screen and out.exists() and Path(options.data).exists() and out.samefile(options.data):
        raise InputError(f"--out: {out} is the file of --data; choose another file")

    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.data.pipeline import steps_per_epoch
        from vade_tf.report.rows import check_width, load_rows
        from vade_tf.runs import assignments
        from vade_tf.runs.folder import Run
        from vade_tf.runs.load import load

    check_single(options.run)
    folder = Run.open(options.run)
    if not folder.finished:
        raise InputError(f"{options.run}: expected a finished run; continue it with resume={options.run!r}")
    model = load(options.run)
    check_width(folder, model)
    x = load_rows(folder, model, data=options.data, labels=options.labels)[0].x
    if to_screen:
        sys.stdout.writelines(assignments.table(model, x))
        return
    if options.quiet:
        assignments.write(out, assignments.table(model, x), "out")
        return
    with Terminal() as reporter:
        advance = reporter.phase("predict", steps_per_epoch(len(x), assignments.BATCH))
        assignments.write(out, assignments.table(model, x, advance=advance), "out")
    print(f"written: {out}")
