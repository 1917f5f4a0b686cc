"""`Case`: a command on hostile input, how it may end, and what a correct result of it is."""

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .judge import Ended, ended, faults_of_files, faults_of_refusal, faults_of_success, tree

ROWS, FEATURES, CLUSTERS = 60, 9, 3
TINY = (
    *("--hidden", "8,8", "--latent-dim", "2", "--pretrain-epochs", "1", "--epochs", "1", "--batch-size", "64"),
    *("--guide-epochs", "1", "--regroups", "0", "--init", "kmeans", "--precision", "float32", "--no-export", "--quiet"),
)
WRITES = {  # by a command that succeeds: what stands after these flags, and what it writes without them
    "train": ("--out", ("runs",)),
    "predict": ("--out", ()),
    "evaluate": ("--out", ("run/figures", "run/report.html")),
    "export": ("--to", ()),
}


@dataclass(frozen=True)
class Case:
    """A command on hostile input. It runs in a folder with rows.npy, rows.npz (x and y) and what it `needs`.

    Attributes:
        name: what is hostile; the id of the test.
        command, argv: what is called.
        names: a refusal has one of these in it: the flag, or the file.
        ends: "refused", "right", or "either".
        make: writes the hostile files into the folder given.
        needs: run folders to be there, such as "run" (finished) or "half" (unfinished).
        rows: number of rows of a correct result.
        same: whether predicted clusters are to be those of rows.npy.
        codes: exit codes that a refusal may have; 1 where training may diverge.
        apart: it could end the process, so it runs in another.
        writes: further paths that may be written or changed, by a late refusal too.
    """

    name: str
    command: str
    argv: tuple[str, ...]
    names: tuple[str, ...]
    ends: str = "refused"
    make: Callable[[Path], object] | None = None
    needs: tuple[str, ...] = ()
    rows: int = ROWS
    same: bool = False
    codes: tuple[int, ...] = (2,)
    apart: bool = False
    writes: tuple[str, ...] = ()


def reads(name: str, make, file: str = "x.npy", *, more: tuple[str, ...] = (), **facts) -> Case:
    """`train` on a hostile data file that `make` writes; refused unless `facts` say otherwise."""
    argv = ("--data", file, "--clusters", str(CLUSTERS), "--out", "out", *TINY, *more)
    return Case(name, "train", argv, **{"names": ("--data", file), "make": make, **facts})


def predicts(name: str, make, file: str = "x.npy", *, more: tuple[str, ...] = (), **facts) -> Case:
    """`predict` on an odd file that holds the usual rows: the clusters are those of rows.npy, or it is refused."""
    argv = ("run", "--data", file, "--out", "clusters.csv", "--quiet", *more)
    usual = {"names": ("--data", file), "make": make, "needs": ("run",), "ends": "right", "same": True}
    return Case(name, "predict", argv, **{**usual, **facts})


def outcome(case: Case, folder: Path, capture) -> tuple[str, list[str]]:
    """Run a case in a folder that is the working directory.

    A refusal changes no file, but a training that diverged leaves its run folder, and one that is resumed may have
    begun its event files.

    Returns:
        "refused" or "right", and what is wrong, nothing if all is well.
    """
    if case.make is not None:
        case.make(folder)
    before = tree(folder)
    end = ended(case.command, list(case.argv), capture)
    after = tree(folder)
    if case.ends == "right" or (case.ends == "either" and end.code == 0):
        found = faults_of_success(end, case.command)
        if not found:
            found = [*faults_of_result(case, folder, end), *faults_of_files(before, after, written(case))]
        return "right", found
    code = end.code if end.code in case.codes else case.codes[0]
    left = written(case) if code == 1 else (*case.writes, *(f"{name}/tensorboard" for name in case.needs))
    found = faults_of_refusal(end, case.command, case.names, code)
    return "refused", [*found, *faults_of_files(before, after, left)]


def written(case: Case) -> tuple[str, ...]:
    """The paths that a command writes when it succeeds."""
    flag, default = WRITES[case.command]
    given = case.argv[case.argv.index(flag) + 1] if flag in case.argv else None
    paths = default if given is None else (os.path.normpath(given),)
    return (*case.writes, *paths, *case.needs * (case.command == "train"))


def faults_of_result(case: Case, folder: Path, end: Ended) -> list[str]:
    """What is wrong with the result of a command that succeeded."""
    checks = {"train": _of_training, "predict": _of_table, "evaluate": _of_figures, "export": _of_export}
    try:
        return list(checks[case.command](case, folder, end))
    except (OSError, ValueError, KeyError, IndexError) as error:
        return [f"the result cannot be read: {error!r}"]


def _of_training(case: Case, folder: Path, end: Ended) -> Iterator[str]:
    flag = "--out" if "--out" in case.argv else "--resume"
    run = folder / case.argv[case.argv.index(flag) + 1]
    if not (run / "metrics.json").exists():  # seeds, or a sweep
        summary = json.loads((run / "summary.json").read_text())
        if len(summary.get("runs") or summary["rows"]) != 2:
            yield "summary.json does not hold two runs"
        return
    result = json.loads((run / "metrics.json").read_text())
    if result["n"] != case.rows or not math.isfinite(result["elbo"]):
        yield f"metrics.json: n {result['n']}, elbo {result['elbo']}"
    yield from _table_faults((run / "assignments.csv").read_text(), case.rows, (",log_density,typicality_rank", ""))


def _of_table(case: Case, folder: Path, end: Ended) -> Iterator[str]:
    out = case.argv[case.argv.index("--out") + 1] if "--out" in case.argv else "-"
    text = end.out if out == "-" else (folder / out).read_text()
    yield from _table_faults(text, case.rows)
    if case.same:
        usual = _numbers((folder / "run" / "assignments.csv").read_text())[:, :3]
        found = _numbers(text)
        if not np.allclose(found, usual, atol=0.02):
            yield f"other clusters than those of the same rows: {np.abs(found - usual).max(axis=0)} apart"


def _of_figures(case: Case, folder: Path, end: Ended) -> Iterator[str]:
    if "--json" not in case.argv:
        if str(case.rows) not in end.out:
            yield f"the table does not speak of {case.rows} rows: {end.out[:100]!r}"
        return
    result = json.loads(end.out)
    if result["n"] != case.rows or not math.isfinite(result["elbo"]):
        yield f"n {result['n']}, elbo {result['elbo']}"


def _of_export(case: Case, folder: Path, end: Ended) -> Iterator[str]:
    if not (folder / end.out.rstrip("\n") / "saved_model.pb").is_file():
        yield f"no saved_model.pb in {end.out!r}"


def _numbers(text: str) -> np.ndarray:
    return np.array([[float(cell) for cell in line.split(",")] for line in text.splitlines()[1:]])


def _table_faults(text: str, rows: int, more: tuple[str, ...] = ("",)) -> Iterator[str]:
    """What is wrong with a table; `more` are the columns, with a comma before each, that may follow the first three."""
    header = text.partition("\n")[0]
    if header not in [f"row,cluster,confidence{each}" for each in more]:
        yield f"the table begins with {text[:60]!r}"
    table = _numbers(text)
    if table.shape != (rows, header.count(",") + 1):
        yield f"a table of shape {table.shape} instead of {rows} rows"
    elif not (np.isfinite(table).all() and (table[:, 2] > 0).all() and (table[:, 2] <= 1).all()):
        yield "a confidence that is no probability"
