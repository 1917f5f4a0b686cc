"""Mutation run: small faults are put into the code one at a time; how many of them do the tests notice?

pip install coverage                           needed besides requirements/test.txt
python benchmarks/mutants.py                   tests the mutants that results/mutants.csv does not hold yet
python benchmarks/mutants.py --again           tests those that survived once more, e.g. after new tests
python benchmarks/mutants.py --table           prints the table of what was measured

A mutant is one edit of one of `MODULES`: another operator, boundary or constant, a call less (`mutants_edits.py`). Of
each module `--per-module` mutants are drawn by a fixed seed. Which tests run which line is measured first, once a test
file (`mutants_tests.py`). A mutant meets the tests that run its line, the fastest first, until one fails: then it is
killed. So is one that takes several times as long as usual (outcome "timeout"). One that passes all of them survives;
results/mutants_equivalent.csv lists, by hand, those that no test can tell from the original, with the reason.
results/mutants_survivors.csv says of the other survivors why.

The parent imports TensorFlow once and forks a process for each mutant, which imports the edited package and runs pytest
inside: no start of TensorFlow, and no file of the package is touched. Processes that a test starts itself see the
original code. Needs Linux or macOS.
"""

import argparse
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import csv_rows
from mutants_edits import IDENTITY, ROOT, Mutant, mutants
from mutants_tests import Tally, concerned, learn, run_pytest

RESULTS = ROOT / "benchmarks" / "results" / "mutants.csv"
EQUIVALENT = RESULTS.with_name("mutants_equivalent.csv")
SURVIVORS = RESULTS.with_name("mutants_survivors.csv")
COLUMNS = ("file", "line", "function", "original", "mutated", "outcome", "test", "seconds")
MODEL = ("elbo", "prior", "likelihood", "vade", "optimizer", "networks")
TRAINING = (
    "recipe", "initialization", "spectral", "partitions", "feature_spaces", "n_clusters", "posterior", "loop", "health",
    "watch", "callbacks",
)  # fmt: skip
SYSTEMS = ("__init__", "dec", "gmvae", "models", "registry", "shallow")
MODULES = [
    *(f"vade_tf/model/{name}.py" for name in MODEL),
    *(f"vade_tf/training/{name}.py" for name in TRAINING),
    *(f"vade_tf/systems/{name}.py" for name in SYSTEMS),
    "vade_tf/runs/selection.py",
    "vade_tf/metrics.py",
    "vade_tf/seeding.py",
]
# Tests that are slow, work in processes of their own, and are about other modules.
LEFT_OUT = re.compile(
    "test_(baselines_adding|benchmarks|cli|compare|config|data|device|docs|estimator|evaluate_cli|export|fetch|figures|hostile|"
    "imports|keras_names|machine|mosaic|named|pipeline|readme|report|sparse|sweep|training|writing)"
)
PRELOADED = (
    "tensorflow", "keras", "tensorflow_probability", "numpy", "scipy.stats", "scipy.sparse.csgraph", "scipy.optimize",
    "sklearn.cluster", "sklearn.metrics", "sklearn.mixture", "sklearn.neighbors", "threadpoolctl", "pytest",
    "hypothesis", "hypothesis.extra.numpy",
)  # fmt: skip
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class Task:
    """What a forked process does: `run` gives its exit code; it is killed after so many seconds."""

    about: object
    run: Callable[[], int]
    seconds: float


def pool(tasks: Iterable[Task], jobs: int, log: Path) -> Iterator[tuple[Task, int, float]]:
    """Runs tasks, so many at once; yields each with its exit code and its seconds when it ends."""
    waiting, running = iter(tasks), {}
    while True:
        while len(running) < jobs and (task := next(waiting, None)) is not None:
            running[fork(task, log)] = task, time.monotonic()
        if not running:
            return
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            task, begun = running.pop(pid)
            yield task, os.waitstatus_to_exitcode(status), time.monotonic() - begun
            continue
        time.sleep(0.05)
        for pid, (task, begun) in running.items():
            if time.monotonic() - begun > task.seconds:
                os.killpg(pid, signal.SIGKILL)


def fork(task: Task, log: Path) -> int:
    """Starts a task in a process, and process group, of its own; its output goes to a file."""
    if pid := os.fork():
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        output = os.open(log / f"{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        code = task.run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def learned(cache: Path, jobs: int) -> list[dict]:
    """What is known of each test file; measured where the file, or the package, has changed."""
    common = [*sorted((ROOT / "vade_tf").rglob("*.py")), ROOT / "tests" / "conftest.py"]
    reports, tasks = [], []
    for file in sorted((ROOT / "tests").glob("test_*.py")):
        if not LEFT_OUT.match(file.stem):
            key = hashlib.sha256(b"".join(each.read_bytes() for each in (*common, file))).hexdigest()[:16]
            reports.append(cache / f"{file.stem}-{key}.json")
            if not reports[-1].exists():
                tasks.append(Task(file.stem, functools.partial(learn, f"tests/{file.name}", reports[-1]), 3600))
    for task, code, seconds in pool(tasks, jobs, cache):
        print(f"{task.about}: {seconds:.0f} s, pytest's code {code}", flush=True)
    return [json.loads(report.read_text()) for report in reports]


class Edited(importlib.machinery.SourceFileLoader):
    """Loads a module from the source of a mutant; as a finder it knows this one module.

    The source is written to a file, which stands in the compiled code: AutoGraph reads the source of a function there.
    """

    def __init__(self, mutant: Mutant, copy: Path):
        name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        super().__init__(name, str(ROOT / mutant.file))
        self.copy = copy
        copy.write_text(mutant.source)

    def get_code(self, fullname):
        return compile(self.copy.read_text(), str(self.copy), "exec", dont_inherit=True)

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        folder = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=folder
        )


def meet(mutant: Mutant, tests: list[str], verdict: Path) -> int:
    """The tests on the edited package, up to the first that fails; its name goes to the file `verdict`."""
    verdict.unlink(missing_ok=True)
    sys.meta_path.insert(0, Edited(mutant, verdict.with_suffix(".py")))
    tally = Tally(tests)
    code = run_pytest(tests, tally, "-x")
    verdict.write_text((tally.failed or ["import"])[0])
    return code


# ---------------------------------------------------------------------------------------------- results


def read(file: Path) -> dict[tuple[str, ...], dict]:
    """Rows of a CSV file by the identity of the mutant."""
    return {tuple(row[name] for name in IDENTITY): row for row in csv_rows.read(file)}


def write(rows: dict[tuple[str, ...], dict], command: str) -> None:
    ordered = sorted(rows.values(), key=lambda row: (MODULES.index(row["file"]), int(row["line"])))
    csv_rows.write(ordered, RESULTS, COLUMNS, command)


def drawn(file: str, number: int, seed: int) -> list[Mutant]:
    """So many mutants of a module, by a hash of each: an edit elsewhere in the module changes no draw."""
    found = sorted(mutants(file), key=lambda one: hashlib.sha256(f"{seed} {one.identity}".encode()).digest())
    return sorted(found[:number], key=lambda one: one.line)


def table() -> str:
    """For each module: mutants that there are, those drawn, what became of them, and the share killed."""
    rows, equivalent, reasons = read(RESULTS), read(EQUIVALENT), read(SURVIVORS)
    present = {file: [one.identity for one in mutants(file)] for file in MODULES}
    lines = ["| module | mutants | drawn | equivalent | killed | survived | killed of the others |", "|---" * 7 + "|"]
    total = [0] * 5
    for file, every in present.items():
        mine = [identity for identity in every if identity in rows]  # others are of older code
        alive = [identity for identity in mine if rows[identity]["outcome"] == "survived"]
        same = sum(identity in equivalent for identity in alive)
        counts = [len(every), len(mine), same, len(mine) - len(alive), len(alive) - same]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        lines.append(f"| {file} | " + " | ".join(map(str, counts)) + f" | {share(counts)} |")
    lines.append("| all | " + " | ".join(map(str, total)) + f" | {share(total)} |")
    lines += [
        f"\n{row['file']}:{row['line']} {row['function']}\n- {row['original']}\n+ {row['mutated']}\n"
        + reasons.get(identity, {"reason": "not yet explained"})["reason"]
        for identity, row in rows.items()
        if row["outcome"] == "survived" and identity not in equivalent and identity in present.get(row["file"], ())
    ]
    return "\n".join(lines)


def share(counts: list[int]) -> str:
    """Killed mutants among those that are not equivalent."""
    _, number, same, killed, _ = counts
    return f"{killed / (number - same):.1%}" if number > same else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-module", type=int, default=30, help="mutants drawn of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--modules", nargs="+", default=MODULES, choices=MODULES, metavar="FILE", help="these alone")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--budget", type=float, default=100.0, help="seconds of tests, at most, that a mutant meets")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "vade_tf-mutants")
    parser.add_argument("--again", action="store_true", help="test the mutants that survived once more")
    parser.add_argument("--table", action="store_true", help="print the table and the survivors, test nothing")
    options = parser.parse_args()
    if options.table:
        print(table())
        return
    os.chdir(ROOT)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"), PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3")
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(options.cache / "hypothesis")
    options.cache.mkdir(parents=True, exist_ok=True)
    for name in PRELOADED:
        importlib.import_module(name)
    known = learned(options.cache, options.jobs)
    rows, equivalent = read(RESULTS), read(EQUIVALENT)
    present = {one.identity for file in MODULES for one in mutants(file)}
    rows = {identity: row for identity, row in rows.items() if identity in present}  # the code may have changed
    chosen = {m.identity: m for file in options.modules for m in drawn(file, options.per_module, options.seed)}
    tasks = []
    for identity, mutant in chosen.items():
        done = rows.get(identity)
        if done and not (options.again and done["outcome"] == "survived" and identity not in equivalent):
            continue
        tests, usual = concerned(mutant, known, options.budget)
        verdict = options.cache / hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
        run = functools.partial(meet, mutant, tests, verdict) if tests else int
        tasks.append(Task((mutant, verdict), run, 30 + 4 * usual))
    print(f"{len(chosen)} mutants drawn, {len(tasks)} to test", flush=True)
    command = f"python benchmarks/mutants.py --per-module {options.per_module} --seed {options.seed}"
    for number, (task, code, seconds) in enumerate(pool(tasks, options.jobs, options.cache), 1):
        mutant, verdict = task.about
        late = code == -signal.SIGKILL and seconds > task.seconds
        outcome = "timeout" if late else "killed" if code else "survived"
        test = verdict.read_text() if outcome == "killed" and verdict.exists() else ""
        found = (mutant.file, mutant.line, mutant.function, mutant.original, mutant.mutated, outcome, test)
        rows[mutant.identity] = dict(zip(COLUMNS, (*found, f"{seconds:.1f}"), strict=True))
        print(f"{number}/{len(tasks)} {outcome} {mutant.file}:{mutant.line} {mutant.mutated} [{test}]", flush=True)
        write(rows, command)


if __name__ == "__main__":
    main()
