"""Evaluate trained runs from the command line.

vade-tf evaluate runs/mnist                            tables here; figures/ and report.html in the run folder
vade-tf evaluate runs/mnist --test                     on the test half of its data set only
vade-tf evaluate runs/mnist --data new.npz --labels y  on other rows
vade-tf evaluate runs/mnist --out look                 where the run folder must not change
vade-tf evaluate runs/mnist --json --no-figures        numbers for a program, and no file
vade-tf evaluate runs/a runs/b                         side by side: one table, one figure
"""

import argparse
import json
import os
import shlex
import sys
import warnings
from pathlib import Path

from vade_tf.cli.command import Parser, answer, check_single, path, starting, typed
from vade_tf.cli.speech import in_flags
from vade_tf.errors import InputError


def parse(argv: list[str] | None, prog: str = "vade-tf evaluate") -> argparse.Namespace:
    parser = Parser(prog, __doc__)
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN", help="run folder, or a folder of runs over seeds")
    parser.add_argument("--json", action="store_true", help="print JSON: an object, or a list of them for several runs")
    parser.add_argument(
        "--data", type=path, metavar="FILE", help="evaluate on these rows instead of the run's own data"
    )
    parser.add_argument("--labels", help="with --data: a column of a table, an .npz array or a .npy file")
    parser.add_argument("--data-dir", type=path, metavar="FOLDER", help="where the run's named data set lies now")
    parser.add_argument("--test", action="store_true", help="only the test half of the run's named data set")
    parser.add_argument(
        "--out",
        type=path,
        metavar="FOLDER",
        help="where figures and report.html go (default: the run folder; for several runs: comparison)",
    )
    parser.add_argument("--no-figures", action="store_true", help="numbers only; write no file")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None, prog: str = "vade-tf evaluate") -> int:
    """The command; returns the exit code."""
    options = parse(argv, prog)
    command = shlex.join([*typed(prog).split(), *(sys.argv[1:] if argv is None else argv)])
    return answer(prog, lambda: run(options, command), paths=options.runs)


def run(options: argparse.Namespace, command: str) -> None:
    if options.labels is not None and options.data is None:
        raise InputError("--labels: goes with --data; a run's own data bring their own labels")
    if options.data is not None and (options.test or options.data_dir is not None):
        raise InputError("--data: names the rows itself; give it without --test and --data-dir")
    if options.no_figures and options.out is not None:
        raise InputError("--out: names the folder of figures and report; give it without --no-figures")

    from vade_tf.cli.steps import Steps

    with starting():
        from vade_tf.report import evaluation, page
        from vade_tf.runs import seeds
        from vade_tf.runs.folder import Run
        from vade_tf.runs.places import check_outside, check_report

    folders = [folder for name in options.runs for folder in seeds.run_folders(name)]
    paths = list({os.path.realpath(folder): folder for folder in folders}.values())  # named twice: evaluated once
    several = len(paths) > 1
    out = Path(options.out or ("comparison" if several else paths[0]))
    for folder in paths:
        check_single(folder)
        opened = Run.open(folder)  # a mistyped name is found out before a folder of that name is made
        if not options.no_figures:
            check_outside(out, opened.config.data)
    if not options.no_figures:
        check_outside(out, options.data)
        check_report(out, paths)
        from vade_tf.report import figures  # noqa: F401  matplotlib, an extra

        out.mkdir(parents=True, exist_ok=True)
    where = {name: getattr(options, name) for name in ("data_dir", "data", "labels", "test")}
    evaluated = {}
    with Steps(options.quiet) as steps:
        for folder in paths:
            step = steps.about(f"{folder}: ") if several else steps
            evaluated[str(folder)] = evaluation.evaluate_run(folder, step=step, **where)

    results = {name: each.result for name, each in evaluated.items()}
    if several and len({(os.path.realpath(one["source"]), one["n_features"]) for one in results.values()}) > 1:
        told = "the runs are of different data; scores and bounds compare within the same data alone"
        warnings.warn(told, UserWarning, stacklevel=1)
    if options.json:
        print(json.dumps(list(results.values()) if several else results[str(paths[0])], indent=2))
    elif several:
        page.show_comparison(results)
    else:
        result = results[str(paths[0])]
        page.show({**result, "health": [in_flags(sentence) for sentence in result["health"]]})
    if options.no_figures:
        return
    with Steps(options.quiet) as steps:
        steps("drawing figures")
        first = evaluated[str(paths[0])]
        written = page.write_comparison(results, out) if several else page.write(first, out, command)
    if not options.json:
        print(f"written: {written}")
