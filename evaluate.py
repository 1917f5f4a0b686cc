"""Evaluate trained runs from the command line.

python evaluate.py runs/mnist                            tables here; figures/ and report.html in the run folder
python evaluate.py runs/mnist --test                     on the test half of its data set only
python evaluate.py runs/mnist --data new.npz --labels y  on other rows
python evaluate.py runs/mnist --out look                 where the run folder must not change
python evaluate.py runs/mnist --json --no-figures        numbers for a program, and no file
python evaluate.py runs/a runs/b                         side by side: one table, one figure
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from vade_tf.errors import InputError


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder, or a folder of runs over seeds")
    parser.add_argument("--json", action="store_true", help="print JSON: an object, or a list of them for several runs")
    parser.add_argument("--data", metavar="FILE", help="evaluate on these rows instead of the run's own data")
    parser.add_argument("--labels", help="with --data: a .npy file, an .npz array or a .csv column")
    parser.add_argument("--data-dir", metavar="FOLDER", help="where the run's named data set lies now")
    parser.add_argument("--test", action="store_true", help="only the test half of the run's named data set")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="where figures and report.html go (default: the run folder; for several runs: comparison)",
    )
    parser.add_argument("--no-figures", action="store_true", help="numbers only; write no file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        run(options, shlex.join(["python", "evaluate.py", *(sys.argv[1:] if argv is None else argv)]))
    except InputError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("evaluate.py: stopped", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace, command: str) -> None:
    if options.labels is not None and options.data is None:
        raise InputError("--labels: goes with --data; a run's own data bring their own labels")
    if options.data is not None and (options.test or options.data_dir is not None):
        raise InputError("--data: names the rows itself; give it without --test and --data-dir")

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from vade_tf.terminal import hushed

    with hushed():
        import tensorflow as tf

        from vade_tf import evaluation, report, seeds
        from vade_tf.run import Run

        tf.constant(0)  # the device speaks up when first used
    tf.get_logger().setLevel("ERROR")

    paths = [path for name in options.runs for path in seeds.run_folders(name)]
    several = len(paths) > 1
    out = Path(options.out or ("comparison" if several else paths[0]))
    for path in paths:
        Run.open(path)  # a mistyped name is found out before a folder of that name is made
    if not options.no_figures:
        report.prepare(out)  # a folder that cannot be written is found out before the work
    where = {name: getattr(options, name) for name in ("data_dir", "data", "labels", "test")}
    evaluated = {str(path): evaluation.evaluate_run(path, **where) for path in paths}

    results = {name: each.result for name, each in evaluated.items()}
    if options.json:
        print(json.dumps(list(results.values()) if several else results[str(paths[0])], indent=2))
    elif several:
        report.show_comparison(results)
    else:
        report.show(results[str(paths[0])])
    if options.no_figures:
        return
    if several:
        written = report.write_comparison(results, {name: each.history for name, each in evaluated.items()}, out)
    else:
        written = report.write(evaluated[str(paths[0])], out, command)
    if not options.json:
        print(f"written: {written}")


if __name__ == "__main__":
    sys.exit(main())
