"""The commands on finished runs: `evaluate`, `predict` and `export`."""

import argparse
import json
import os
import shlex
import sys
import time
import warnings
from functools import partial
from pathlib import Path

from vade_tf.cli.command import Parser, execute, one_line, starting, typed
from vade_tf.errors import InputError
from vade_tf.runs.location import TABLES, finished_runs, kind_of

EVALUATE = """Evaluate trained runs from the command line.

vade-tf evaluate runs/mnist                            tables here; figures/ and report.html in the run folder
vade-tf evaluate runs/mnist --data new.npz --labels y  on other rows
vade-tf evaluate runs/mnist --out look                 where the run folder must not change
vade-tf evaluate runs/mnist --json --no-figures        numbers for a program, and no file
vade-tf evaluate runs/a runs/b                         side by side: one table, one figure
"""
PREDICT = """What a finished run says of new rows, as a table: a line a row, in the order of the file.

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
EXPORT = """Write a trained VaDE as a SavedModel that other programs load: no Python, no code of this package.

vade-tf export runs/mnist --to models/vade --version 3

writes models/vade/3, the layout TensorFlow Serving watches; docs/guide/serving.md says what it answers and how to ask.
With --format onnx it is one file, models/vade/3.onnx. A version appears whole or not at all, none is ever overwritten.
"""
SCREEN = ("-", "/dev/stdout")
ENDINGS = (".csv", ".parquet", ".h5ad")  # of files that `predict` writes


def _check_data(data: str | None) -> None:
    if data is not None and not Path(data).exists():
        raise InputError("data", "an existing file or folder", data)


def evaluate(argv: list[str] | None = None, prog: str = "vade-tf evaluate") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, EVALUATE)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder, or a folder of runs over seeds")
    parser.add_argument("--json", action="store_true", help="print JSON: an object, or a list of them for several runs")
    parser.add_argument("--data", metavar="FILE", help="evaluate on these rows instead of the run's own data")
    parser.add_argument("--labels", help="with --data: a column of a table, an .npz array or a .npy file")
    parser.add_argument("--data-dir", metavar="FOLDER", help="where the run's named data set lies now")
    where = "where figures and report.html go (default: the run folder; for several runs: comparison)"
    parser.add_argument("--out", metavar="FOLDER", help=where)
    parser.add_argument("--no-figures", action="store_true", help="numbers only; write no file")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    options = parser.parse_args(argv)
    if options.labels is not None and options.data is None:
        parser.error("--labels goes with --data; a run's own data bring their own labels")
    command = shlex.join([*typed(prog).split(), *(sys.argv[1:] if argv is None else argv)])
    return execute(parser, lambda: _evaluate(options, command))


def _evaluate(options: argparse.Namespace, command: str) -> None:
    paths = list(dict.fromkeys(folder for name in options.runs for folder in finished_runs(name)))
    several = len(paths) > 1
    out = Path(options.out or ("comparison" if several else paths[0]))
    _check_data(options.data)

    with starting():
        from vade_tf.report import evaluation, page

        if not options.no_figures:
            from vade_tf.report import figures  # noqa: F401  matplotlib, an extra

    where = {name: getattr(options, name) for name in ("data_dir", "data", "labels")}
    evaluated = {}

    def say(text: str, subject: str = "") -> None:
        if not options.quiet:
            print(one_line(subject + text), file=sys.stderr, flush=True)  # stdout is for what is found alone

    for folder in paths:
        step = partial(say, subject=f"{folder}: " if several else "")
        evaluated[str(folder)] = evaluation.evaluate_run(folder, step=step, **where)
    results = {name: each.result for name, each in evaluated.items()}
    if len({(os.path.realpath(one["source"]), one["n_features"]) for one in results.values()}) > 1:
        warnings.warn("the runs are of different data; compare scores within the same data alone", stacklevel=1)
    if options.json:
        print(json.dumps(list(results.values()) if several else results[str(paths[0])], indent=2))
    elif several:
        page.show_comparison(results)
    else:
        page.show(results[str(paths[0])])
    if options.no_figures:
        return
    say("drawing figures")
    out.mkdir(parents=True, exist_ok=True)
    first = evaluated[str(paths[0])]
    written = page.write_comparison(results, out) if several else page.write(first, out, command)
    if not options.json:
        print(f"written: {written}")


def predict(argv: list[str] | None = None, prog: str = "vade-tf predict") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, PREDICT)
    parser.add_argument("run", metavar="RUN", help="run folder, of VaDE or of any other system")
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument("--data", metavar="FILE", help="new rows: a file or folder as train takes it")
    rows.add_argument("--sample", type=int, metavar="N", help="instead of --data: N new rows")
    parser.add_argument("--labels", metavar="COLUMN", help="column of a table that holds labels and is no feature")
    parser.add_argument("--id", metavar="COLUMN", help="column that names the rows and takes the place of row")
    parser.add_argument("--out", metavar="FILE", default="-", help=".csv, .parquet or .h5ad (default: -, the screen)")
    modes = parser.add_mutually_exclusive_group()
    store: dict = {"dest": "mode", "action": "store_const"}
    modes.add_argument("--encode", const="encode", help="the mean code of each row", **store)
    modes.add_argument("--score", const="score", help="the log density of each row", **store)
    modes.add_argument("--impute", const="impute", help="the table that came in, its missing cells filled", **store)
    parser.add_argument("--top", type=int, default=1, metavar="N", help="the N likeliest clusters of each row")
    share = "cluster -1 for rows as rare as this share of those trained on (default: as the run)"
    parser.add_argument("--outliers", type=float, metavar="SHARE", help=share)
    parser.add_argument("--cluster", type=int, metavar="C", help="with --sample: of this cluster only")
    parser.add_argument("--seed", type=int, metavar="S", help="with --sample: same seed, same rows (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(argv)
    sampling = options.sample is not None
    for name in ("labels", "id", "mode", "outliers") if sampling else ("cluster", "seed"):
        if getattr(options, name) is not None:
            flag = options.mode if name == "mode" else name
            parser.error(f"--{flag} goes with {'--data' if sampling else '--sample'}")
    return execute(parser, lambda: _predict(options))


def _predict(options: argparse.Namespace) -> None:
    out = None if options.out in SCREEN else _output_file(options)
    _check_data(options.data)

    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.runs import answers, assignments
        from vade_tf.runs.folder import load_run
        from vade_tf.training.reporter import Silent

    run, model = load_run(options.run)
    quiet = options.quiet or out is None or (out.exists() and not out.is_file())  # stdout may be behind a pipe
    reporter = Silent() if quiet else Terminal()
    rows = (options.data, options.labels, options.id, options.mode or "")
    if out is not None and out.suffix.lower() == ".h5ad":
        if options.data is None or any(rows[1:]) or options.outliers or options.top > 1:
            raise InputError("out", "a .csv or .parquet beside other flags", f"{out}, which gets clusters and codes")
        answer = answers.annotated(run, model, options.data, reporter)
    elif options.sample is not None:
        answer = answers.sampled(run, model, options.sample, options.cluster, options.seed or 0, reporter)
    else:
        answer = answers.predicted(run, model, *rows, reporter, options.outliers, options.top)
    if out is None:
        assignments.write_csv(sys.stdout, answer.blocks)
        return
    begun = time.perf_counter()
    with reporter:
        answer.write(out, answer.blocks)
    if not quiet:
        seconds = time.perf_counter() - begun
        print(f"{answer.n:,} rows in {seconds:.3g} s\nwritten: {out}")


def _output_file(options: argparse.Namespace) -> Path:
    out = Path(options.out).resolve()  # a link is kept, and what it leads to is replaced
    if not out.parent.is_dir():
        raise InputError("out", "a file in an existing folder", str(out), f"make the folder {out.parent} first")
    if options.data is not None and out == Path(options.data).resolve():
        raise InputError("out", "another file than that of data", str(out))
    if out.name in TABLES and ((out.parent / "config.json").exists() or kind_of(out.parent)):
        raise InputError("out", "a file that is no part of a run", str(out))
    special = out.exists() and not (out.is_file() or out.is_dir())  # a pipe, a device
    if out.is_dir() or not (special or out.suffix.lower() in ENDINGS):
        raise InputError("out", f"a file ending in {', '.join(ENDINGS)}", str(out))
    return out


def export(argv: list[str] | None = None, prog: str = "vade-tf export") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, EXPORT)
    parser.add_argument("run", metavar="RUN", help="run folder or .keras file")
    parser.add_argument("--to", metavar="FOLDER", required=True, help="folder of all versions of this model")
    parser.add_argument("--version", type=int, default=1, help="whole number from 1 (default: 1)")
    parser.add_argument(
        "--format", choices=("saved_model", "onnx"), default="saved_model", help="(default: saved_model)"
    )
    options = parser.parse_args(argv)

    def work() -> None:
        with starting():
            from vade_tf.runs.folder import load, load_schema
            from vade_tf.serving import export as exporting

        schema = load_schema(options.run)
        print(exporting.export(load(options.run), options.to, options.version, schema, options.format))

    return execute(parser, work)
