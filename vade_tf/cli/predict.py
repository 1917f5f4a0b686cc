"""What a finished run says of new rows, as a table: a line a row, in the order of the file.

vade-tf predict runs/table --data new.csv                           row,cluster,confidence to the screen
vade-tf predict runs/table --data new.csv --out clusters.csv        into a file, which is whole or not there
vade-tf predict runs/table --data new.npy --out clusters.parquet    the same as .parquet
vade-tf predict runs/table --data new.csv --id customer --score     customer,log_density
vade-tf predict runs/table --data new.csv --top 3                   row,cluster,confidence,cluster_2,confidence_2,...
vade-tf predict runs/table --data new.csv --outliers 0.01           cluster -1 for rows rarer than 99 % of the training
vade-tf predict runs/table --data new.csv --encode                  row,z0,z1,...: the mean code
vade-tf predict runs/table --data holes.csv --impute --out full.csv the table, its missing cells filled
vade-tf predict runs/cells --data new.h5ad --out named.h5ad         cells, with cluster, confidence and code added
vade-tf predict runs/table --sample 100 --cluster 2 --seed 1        100 new rows of cluster 2: means of p(x|z)

row counts from 0; cluster is the most probable one, and confidence its probability; log_density is the evidence lower
bound of the row, nats in the units of the likelihood. A .npy or .parquet file may be larger than the memory.
"""

import argparse
import time
from pathlib import Path

from vade_tf.cli.command import Parser, execute, starting
from vade_tf.errors import InputError
from vade_tf.runs.location import belongs_to_run

SCREEN = ("-", "/dev/stdout")


def main(argv: list[str] | None = None, prog: str = "vade-tf predict") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, __doc__)
    parser.add_argument("run", metavar="RUN", help="run folder, of VaDE or of any other system")
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument("--data", metavar="FILE", help="new rows: a file or folder as train takes it")
    rows.add_argument("--sample", type=int, metavar="N", help="instead of --data: N new rows")
    parser.add_argument("--labels", metavar="COLUMN", help="column of a table that holds labels and is no feature")
    parser.add_argument("--id", metavar="COLUMN", help="column that names the rows and takes the place of row")
    parser.add_argument("--out", metavar="FILE", default="-", help=".csv, .parquet or .h5ad (default: -, the screen)")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--encode", action="store_true", help="the mean code of each row")
    modes.add_argument("--score", action="store_true", help="the log density of each row")
    modes.add_argument("--impute", action="store_true", help="the table that came in, its missing cells filled")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="the N likeliest clusters of each row")
    share = "cluster -1 for rows as rare as this share of those trained on (default: as the run)"
    parser.add_argument("--outliers", type=float, metavar="SHARE", help=share)
    parser.add_argument("--cluster", type=int, metavar="C", help="with --sample: of this cluster only")
    parser.add_argument("--seed", type=int, metavar="S", help="with --sample: same seed, same rows (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(argv)
    without = (
        ("cluster", "seed") if options.sample is None else ("labels", "id", "encode", "score", "impute", "outliers")
    )
    for name in without:
        if getattr(options, name) not in (None, False):
            parser.error(f"--{name} goes with {'--sample' if options.sample is None else '--data'}")
    return execute(parser, lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Read the rows, ask the model, and write or print the table."""
    out = None if options.out in SCREEN else _output_file(options)
    if options.data is not None and not Path(options.data).exists():
        raise InputError("data", "an existing file or folder", f"{options.data}, which is not there")

    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.runs import answers, output
        from vade_tf.runs.load import load_run
        from vade_tf.training.reporter import Silent

    if out is not None:
        output.check(out)
    folder, model = load_run(options.run)
    modes = [name for name in ("encode", "score", "impute") if getattr(options, name)]
    if out is not None and out.suffix.lower() == ".h5ad":
        from vade_tf.runs import annotated

        if modes or options.sample is not None or options.id or options.labels or options.outliers or options.top > 1:
            raise InputError("out", "a .csv or .parquet beside other flags", f"{out}, which gets clusters and codes")
        answer = annotated.open_cells(folder, model, options.data, out)
    elif options.sample is not None:
        answer = answers.sampled(folder, model, options.sample, options.cluster, options.seed or 0)
    else:
        typed = out is not None and out.suffix.lower() == ".parquet"
        answer = answers.predicted(
            folder,
            model,
            options.data,
            options.labels,
            options.id,
            *modes,
            typed=typed,
            outliers=options.outliers,
            top=options.top,
        )
    if out is None:
        output.show(answer.blocks(Silent().phase("predict", 0)))
        return
    begun = time.perf_counter()
    quiet = options.quiet or (out.exists() and not out.is_file())  # stdout may be behind a pipe
    with Silent() if quiet else Terminal() as reporter:
        answer.write(out, answer.blocks(reporter.phase("predict", answer.parts)))
    if not quiet:
        seconds = time.perf_counter() - begun
        print(f"{answer.n:,} rows in {seconds:.3g} s, {answer.n / seconds:,.0f} rows a second\nwritten: {out}")


def _output_file(options: argparse.Namespace) -> Path:
    """Where the table goes."""
    out = Path(options.out).resolve()  # a link is kept, and what it leads to is replaced
    if not out.parent.is_dir():
        raise InputError("out", "a file in an existing folder", str(out), f"make the folder {out.parent} first")
    if options.data is not None and out == Path(options.data).resolve():
        raise InputError("out", "another file than that of data", str(out))
    if belongs_to_run(out):
        raise InputError("out", "a file that is no part of a run", str(out))
    return out
