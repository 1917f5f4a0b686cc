"""The CSV files of results: rows, and above them lines that begin with # and say how they were made."""

import csv
import hashlib
import itertools
import subprocess
from collections.abc import Iterable
from pathlib import Path


def read(file: Path) -> list[dict]:
    """The rows that are there already."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def write(rows: Iterable[dict], file: Path, columns: Iterable[str], *comments: str) -> None:
    """Make a file of these rows, in place of the one that is there; what a row lacks is left empty."""
    draft = file.with_suffix(".draft")
    with draft.open("w", newline="") as lines:
        lines.writelines(f"# {comment}\n" for comment in comments)
        writer = csv.DictWriter(lines, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(file)


def append(rows: Iterable[dict], file: Path, columns: Iterable[str], *comments: str) -> None:
    """Add rows to a file; one that is not there yet is made, and one that lacks a column gets it, empty."""
    columns = list(columns)
    if not file.exists():
        write([], file, columns, *comments)
    with file.open() as lines:
        above = [line[2:-1] for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    if (older := read(file)) and not set(columns) <= set(older[0]):
        write(older, file, columns, *above)
    with file.open("a", newline="") as lines:
        csv.DictWriter(lines, columns, restval="", lineterminator="\n").writerows(rows)


def commit() -> str:
    """The last commit that changed the package, in short; where files differ from it, + and a digest of all of them."""
    root = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str:
        return subprocess.check_output(["git", *words, "--", "vade_tf"], cwd=root, text=True).strip()

    last = git("log", "-1", "--format=%h", "--abbrev=7")
    if not git("status", "--porcelain"):
        return last
    files = sorted((root / "vade_tf").rglob("*.py"))
    return f"{last}+{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:4]}"
