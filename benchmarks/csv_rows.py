"""The CSV files of results: rows, and above them lines that begin with # and say how they were made."""

import csv
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
    """Add rows to a file; one that is not there yet is made."""
    columns = list(columns)
    if not file.exists():
        write([], file, columns, *comments)
    with file.open("a", newline="") as lines:
        csv.DictWriter(lines, columns, restval="", lineterminator="\n").writerows(rows)
