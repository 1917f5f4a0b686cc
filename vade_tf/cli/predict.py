"""What a finished run says of new rows, as a table: a line a row, in the order of the file.

vade-tf predict runs/table --data new.csv                           row,cluster,confidence to the screen
vade-tf predict runs/table --data new.csv --out clusters.csv        into a file, which is whole or not there
vade-tf predict runs/table --data new.npy --out clusters.parquet    the same as .parquet
vade-tf predict runs/table --data new.csv --id customer --score     customer,log_density
vade-tf predict runs/table --data new.csv --encode                  row,z0,z1,...: the mean code
vade-tf predict runs/table --data holes.csv --impute --out full.csv the table, its missing cells filled
vade-tf predict runs/cells --data new.h5ad --out named.h5ad         cells, with cluster, confidence and code added
vade-tf predict runs/table --sample 100 --cluster 2 --seed 1        100 new rows of cluster 2: means of p(x|z)

row counts from 0; cluster is the most probable one, and confidence its probability; log_density is the evidence lower
bound of the row, nats in the units of the likelihood. A .npy or .parquet file may be larger than the memory.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vade_tf.cli.command import Parser, answer, check_single, path, starting
from vade_tf.errors import InputError

if TYPE_CHECKING:
    import pandas

MODES = ("encode", "score", "impute")  # besides "sample" and, without any, the clusters


def main(argv: list[str] | None = None, prog: str = "vade-tf predict") -> int:
    """The command; returns the exit code."""
    parser = Parser(prog, __doc__)
    parser.add_argument("run", type=path, metavar="RUN", help="run folder, of VaDE or of any other system")
    parser.add_argument("--data", type=path, metavar="FILE", help="new rows: a file or folder as train takes it")
    parser.add_argument("--labels", metavar="COLUMN", help="column of a table that holds labels and is no feature")
    parser.add_argument("--id", metavar="COLUMN", help="column that names the rows and takes the place of row")
    parser.add_argument(
        "--out", type=path, metavar="FILE", default="-", help=".csv, .parquet or .h5ad (default: -, the screen)"
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--encode", action="store_true", help="the mean code of each row")
    modes.add_argument("--score", action="store_true", help="the log density of each row")
    modes.add_argument("--impute", action="store_true", help="the table that came in, its missing cells filled")
    modes.add_argument("--sample", type=int, metavar="N", help="instead of --data: N new rows")
    parser.add_argument("--cluster", type=int, metavar="C", help="with --sample: of this cluster only")
    parser.add_argument("--seed", type=int, metavar="S", help="with --sample: same seed, same rows (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(argv)
    return answer(prog, lambda: run(options), paths=(options.run,))


def run(options: argparse.Namespace) -> None:
    _check(options)
    out = None if options.out == "-" or _is_stdout(Path(options.out)) else _place(options)
    quiet = options.quiet or (out is not None and out.exists() and not out.is_file())  # stdout may be behind a pipe

    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.runs import output
        from vade_tf.runs.places import owned
        from vade_tf.training.reporter import Silent

    if out is not None:
        output.check(out, "out")
        if owned(out):
            raise InputError(f"--out: {out} is a file of a run; choose another file")
    if out is not None and out.suffix.lower() == output.CELLS:
        begun = time.perf_counter()
        with Silent() if quiet else Terminal() as reporter:
            n = _annotated(options, out, lambda blocks: reporter.phase("predict", blocks))
        if not quiet:
            _tell(n, time.perf_counter() - begun, out)
        return
    n, parts, blocks = _table(options)
    if out is None:
        output.show(blocks(Silent().phase("predict", 0)))
        return
    begun = time.perf_counter()
    with Silent() if quiet else Terminal() as reporter:
        output.write(out, blocks(reporter.phase("predict", parts)), "out")
    if not quiet:
        _tell(n, time.perf_counter() - begun, out)


def _tell(n: int, seconds: float, out: Path) -> None:
    """How long it took, and where the answer is."""
    took = f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"
    print(f"{n:,} rows in {took} s, {n / seconds:,.0f} rows a second\nwritten: {out}")


def _check(options: argparse.Namespace) -> None:
    """What goes with what."""
    if (options.data is None) == (options.sample is None):
        raise InputError("--data: expected new rows, or --sample for rows of the model's own, one of them")
    for name in ("cluster", "seed"):
        if getattr(options, name) is not None and options.sample is None:
            raise InputError(f"--{name}: goes with --sample; leave it out")
    for name in ("labels", "id"):
        if getattr(options, name) is not None and options.data is None:
            raise InputError(f"--{name}: goes with --data; leave it out")
    if options.id is not None and options.impute:
        raise InputError("--id: the table that --impute gives holds all columns; leave it out")


def _is_stdout(out: Path) -> bool:
    """Whether this is what stdout writes to, such as /dev/stdout: what a file held before stays, as with `>>`."""
    try:
        return out.suffix.lower() not in (".parquet", ".h5ad") and os.path.samestat(out.stat(), os.fstat(1))
    except OSError:  # there is no such file, or stdout is closed
        return False


def _place(options: argparse.Namespace) -> Path:
    """Where the table goes."""
    out = Path(options.out)
    if out.is_symlink() and not out.exists():
        raise InputError(f"--out: {out} is a link to nothing; remove it, or choose another file")
    if out.is_symlink() and out.is_file():  # the link is kept, what it leads to is replaced; a pipe has no such name
        out = out.resolve()
    if not out.parent.is_dir():
        raise InputError(f"--out: expected a file in an existing folder, got {out}; make the folder {out.parent} first")
    if options.data is not None and out.exists() and Path(options.data).exists() and out.samefile(options.data):
        raise InputError(f"--out: {out} is the file of --data; choose another file")
    return out


def _annotated(options: argparse.Namespace, out: Path, phase: Callable) -> int:
    """Writes an .h5ad file; the number of its cells."""
    from vade_tf.runs import annotated
    from vade_tf.runs.load import check_clusters, check_model, load

    for name in (*MODES, "sample", "id", "labels"):
        if getattr(options, name) not in (None, False):
            raise InputError(
                f"--{name}: does not go with an .h5ad file as --out, which gets cluster and code; leave it out"
            )
    folder = _finished(options.run)
    model = load(options.run)
    check_model(folder, model)
    check_clusters(folder, model)
    return annotated.write(folder, model, options.data, out, phase)


def _finished(run: str):
    """The run in a folder, which is finished."""
    from vade_tf.runs.folder import Run

    check_single(run)
    folder = Run.open(run)
    if not folder.finished:
        raise InputError(f"{run}: expected a finished run; continue it with resume={run!r}")
    return folder


def _table(options: argparse.Namespace) -> "tuple[int, int, Callable[[Callable], Iterator[pandas.DataFrame]]]":
    """Rows and blocks of the table that is asked for, how many, and what makes it, given what hears of each block."""
    from vade_tf.data.schema import Schema
    from vade_tf.model.vade import VaDE
    from vade_tf.runs import answers, assignments, incoming, output
    from vade_tf.runs.load import check_model, load

    folder = _finished(options.run)
    model, schema = load(options.run), folder.schema
    check_model(folder, model)
    mode = "sample" if options.data is None else next((name for name in MODES if getattr(options, name)), "")
    if mode in ("score", "impute", "sample") and not isinstance(model, VaDE):
        raise InputError(f"--{mode}: expected a run of VaDE, got one of {folder.config.model}, which has no density")
    if mode == "encode" and not assignments.has_code(model):
        raise InputError(f"--encode: expected a run with a code, got one of {folder.config.model}, which has none")
    typed = Path(options.out).suffix.lower() == output.PARQUET
    if mode == "sample":
        n, seed = options.sample, options.seed or 0
        answers.check_sample(model, n, options.cluster, seed)
        parts = math.ceil(n / assignments.BLOCK)
        return n, parts, lambda advance: answers.sampled(model, schema, n, options.cluster, seed, advance)
    if mode == "impute" and not isinstance(schema, Schema):
        raise InputError(f"--impute: expected a run on a table, got {options.run}, whose rows have no missing cells")
    rows = incoming.opened(folder, model, options.data, options.labels, options.id, mode == "impute", typed)
    if mode == "impute" and rows.table is None:
        raise InputError(f"--impute: expected a table, or a .npy file of its columns, got {options.data}")
    if mode == "impute":
        assert isinstance(schema, Schema)
        return len(rows.x), assignments.blocks(rows.x), lambda advance: answers.imputed(model, schema, rows, advance)
    part = {"encode": assignments.codes, "score": assignments.density}.get(mode, assignments.clusters)(model)
    return len(rows.x), assignments.blocks(rows.x), lambda advance: answers.predicted(part, model, rows, advance)
