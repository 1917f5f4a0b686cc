"""What the commands share: where results lie, CSV files that are continued, run folders, memory.

Each command imports this module first: it finds the package, and TensorFlow says less.
"""

import csv
import hashlib
import itertools
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def read(file: Path) -> list[dict]:
    """The rows of a CSV file; lines above them that begin with # say how they were made."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def write(rows: Iterable[dict], file: Path, columns: Iterable[str], *comments: str) -> None:
    """Replace a CSV file by these rows; a cell that a row lacks is empty."""
    draft = file.with_suffix(".draft")
    with draft.open("w", newline="") as lines:
        lines.writelines(f"# {comment}\n" for comment in comments)
        writer = csv.DictWriter(lines, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(file)


def append(rows: Iterable[dict], file: Path, columns: Iterable[str], *comments: str) -> None:
    """Add rows to a CSV file, which is made if it is not there; an older file gets columns that it lacks, empty."""
    columns = list(columns)
    if not file.exists():
        write([], file, columns, *comments)
    with file.open() as lines:
        above = [line[2:-1] for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    if (older := read(file)) and not set(columns) <= set(older[0]):
        write(older, file, columns, *above)
    with file.open("a", newline="") as lines:
        csv.DictWriter(lines, columns, restval="", lineterminator="\n").writerows(rows)


def measured(file: Path, key: Iterable[str], score: str, commit: str = "") -> set[tuple[str, ...]]:
    """The identities of the rows that need not be measured again.

    Args:
        file: of the rows.
        key: columns that identify a row.
        score: column that is empty where a fit failed; such a row is measured again.
        commit: if given, rows of the system "vade" count only at this commit.
    """
    rows = [row for row in read(file) if row[score]]
    current = [row for row in rows if not commit or row["system"] != "vade" or row.get("commit") == commit]
    return {tuple(row[name] for name in key) for row in current}


def measure(jobs: Iterable[tuple[Callable[[], list[dict]], set]], done: set, *where) -> None:
    """Run the jobs that are not done and append their rows as they come.

    Args:
        jobs: a function that gives rows, and the identities of these rows.
        done: identities of `measured`; a job is left out if all of its own are among them.
        where: file, columns and comment of `append`.
    """
    for job, identities in jobs:
        if not identities <= done:
            rows = job()
            append(rows, *where)
            for row in rows:
                print(*row.values(), flush=True)


def commit() -> str:
    """The last commit that changed the package, in short; where files differ from it, + and a digest of all of them."""

    def git(*words: str) -> str:
        return subprocess.check_output(["git", *words, "--", "vade_tf"], cwd=ROOT, text=True).strip()

    last = git("log", "-1", "--format=%h", "--abbrev=7")
    if not git("status", "--porcelain"):
        return last
    files = sorted((ROOT / "vade_tf").rglob("*.py"))
    return f"{last}+{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:4]}"


def claim(run: Path, typed: str) -> bool:
    """Whether a run folder was begun; the flags lie beside it, and the program ends where they were others."""
    beside = run.with_name(f".{run.name}.flags")
    begun = (run / "config.json").exists()
    if begun and beside.exists() and beside.read_text() != typed:
        sys.exit(f"{run} is of other flags ({beside.read_text()}); remove it, or choose another --out")
    if not begun:
        run.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(typed)
    return begun


def trained(run: Path, flags: list[str], at: str = "") -> Path:
    """A finished run folder: as it is there, continued, or trained with these flags of train.py.

    A folder that was begun with other flags, or at another commit than `at`, ends the program.
    """
    from vade_tf.cli import train

    begun = claim(run, shlex.join(flags) + (f" at {at}" if at else ""))
    if not (run / "metrics.json").exists():
        code = train.main(["--resume", str(run)] if begun else [*flags, "--out", str(run), "--no-export"])
        if code != 0:
            sys.exit(code)
    return run


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB (Python, TensorFlow and mapped files included)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
