"""Evaluate trained runs from the command line.

vade-tf evaluate runs/mnist                            tables here; figures/ and report.html in the run folder
vade-tf evaluate runs/mnist --test                     on the test half of its data set only
vade-tf evaluate runs/mnist --data new.npz --labels y  on other rows
vade-tf evaluate runs/mnist --out look                 where the run folder must not change
vade-tf evaluate runs/mnist --json --no-figures        numbers for a program, and no file
vade-tf evaluate runs/a runs/b                         side by side: one table, one figure
"""

import argparse
import functools
import json
import os
import shlex
import sys
import warnings
from pathlib import Path

from vade_tf.cli.command import Parser, execute, starting, typed
from vade_tf.errors import InputError


def main(argv: list[str] | None = None, prog: str = "vade-tf evaluate") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, __doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder, or a folder of runs over seeds")
    parser.add_argument("--json", action="store_true", help="print JSON: an object, or a list of them for several runs")
    parser.add_argument("--data", metavar="FILE", help="evaluate on these rows instead of the run's own data")
    parser.add_argument("--labels", help="with --data: a column of a table, an .npz array or a .npy file")
    parser.add_argument("--data-dir", metavar="FOLDER", help="where the run's named data set lies now")
    parser.add_argument("--test", action="store_true", help="only the test half of the run's named data set")
    where = "where figures and report.html go (default: the run folder; for several runs: comparison)"
    parser.add_argument("--out", metavar="FOLDER", help=where)
    parser.add_argument("--no-figures", action="store_true", help="numbers only; write no file")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    options = parser.parse_args(argv)
    if options.labels is not None and options.data is None:
        parser.error("--labels goes with --data; a run's own data bring their own labels")
    if options.data is not None and (options.test or options.data_dir is not None):
        parser.error("--data names the rows itself; give it without --test and --data-dir")
    if options.no_figures and options.out is not None:
        parser.error("--out names the folder of figures and report; give it without --no-figures")
    command = shlex.join([*typed(prog).split(), *(sys.argv[1:] if argv is None else argv)])
    return execute(parser, lambda: run(options, command))


def run(options: argparse.Namespace, command: str) -> None:
    """Evaluate the runs and print what was found.

    Args:
        options: as parsed.
        command: as typed, for the report.
    """
    from vade_tf.runs.location import finished_runs

    folders = [folder for name in options.runs for folder in finished_runs(name)]
    paths = list({os.path.realpath(folder): folder for folder in folders}.values())  # named twice: evaluated once
    several = len(paths) > 1
    out = Path(options.out or ("comparison" if several else paths[0]))
    if options.data is not None and not Path(options.data).exists():
        raise InputError("data", "an existing file or folder", options.data)

    from vade_tf.printing import Plain

    with starting():
        from vade_tf.report import evaluation, page

    if not options.no_figures:
        from vade_tf.report import figures  # noqa: F401  matplotlib, an extra

    where = {name: getattr(options, name) for name in ("data_dir", "data", "labels", "test")}
    evaluated = {}
    terminal = Plain(stderr=True, quiet=options.quiet)  # stdout stays clean for what is found
    for folder in paths:
        subject = f"{folder}: " if several else ""
        step = functools.partial(lambda subject, name: terminal.print(subject + name, soft_wrap=True), subject)
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
    terminal.print("drawing figures")
    out.mkdir(parents=True, exist_ok=True)
    first = evaluated[str(paths[0])]
    written = page.write_comparison(results, out) if several else page.write(first, out, command)
    if not options.json:
        print(f"written: {written}")
