"""Systems side by side: columns of the CSV, a fit in a process of its own, tables in Markdown.

Knows no data set and, but for ClustPy, no system; `cells.py` and `tables.py` have these.
"""

import multiprocessing
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frame
import numpy as np

KEY = ("set", "system", "seed")
COLUMNS = (*KEY, "n", "features", "clusters", "found", "acc", "ari", "nmi", "seconds", "commit")
LIMIT_SECONDS = 3600  # a fit that takes longer is ended, and its row has no scores


def clustered(system: Callable, names: tuple[str, ...], data, seed: int, options) -> list[dict]:
    """Rows of the CSV without the set, of one fit; scores are empty where it failed or took longer than the limit.

    Args:
        system: function of (data, seed, options) to groups, int [n], or to (groups, or groups by name; seconds).
        names: of the systems whose groups it gives.
        data: has rows x [n, D], labels y int [n] and the number of clusters.
        seed, options: for the system.
    """
    from vade_tf import metrics

    commit = frame.commit()  # before the fit, which may take an hour
    found, seconds = in_process(system, data, seed, options)
    rows = []
    for name in names:
        row: dict = {"seed": seed, "system": name, "n": data.x.shape[0], "features": data.x.shape[1]}
        row |= {"clusters": data.clusters, "seconds": f"{seconds:.1f}", "commit": commit}
        if found is not None:
            groups = np.unique(found[name] if isinstance(found, dict) else found, return_inverse=True)[1]
            scores = metrics.scores(data.y, groups)
            row |= {"found": groups.max() + 1, **{key: f"{value:.4f}" for key, value in scores.items()}}
        rows.append(row)
    return rows


def in_process(system: Callable, *arguments) -> tuple[Any, float]:
    """What a system finds, None where it failed or was ended, and its seconds."""
    fork = multiprocessing.get_context("fork")  # this process never loads TensorFlow
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=_fit, args=(system, arguments, send))
    begun = time.perf_counter()
    process.start()
    send.close()
    found: Any = None
    seconds = 0.0
    try:
        if receive.poll(LIMIT_SECONDS):
            found, seconds = receive.recv()
    except EOFError:
        pass  # the fit ended with an error, which stands above
    process.kill()
    process.join()
    return found, seconds or time.perf_counter() - begun


def _fit(system: Callable, arguments: tuple, pipe) -> None:
    begun = time.perf_counter()
    found = system(*arguments)
    pipe.send(found if isinstance(found, tuple) else (np.asarray(found), time.perf_counter() - begun))


def clustpy(python: str, x: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, float]:
    """The groups of ClustPy's VaDE on rows x [n, D] in [0, 1], int [n], and its seconds.

    Args:
        python: of an environment that has ClustPy.
        x, clusters, seed: what is fitted.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, groups = Path(folder) / "rows.npz", Path(folder) / "groups.npz"
        np.savez(rows, x=x, k=clusters, seed=seed)
        script = Path(__file__).with_name("clustpy_elsewhere.py")
        subprocess.run([python, script, "fit", rows, groups], check=True, capture_output=True)
        with np.load(groups) as found:
            return found["groups"], float(found["seconds"])


def tables(rows: list[dict], names: dict[str, str]) -> str:
    """A table in Markdown of each score and of the seconds."""
    parts = [f"\n{column.upper()}\n\n{table(rows, column, names)}" for column in ("ari", "acc", "nmi")]
    return "\n".join([*parts, f"\nseconds a fit\n\n{table(rows, 'seconds', names)}"])


def table(rows: list[dict], column: str, names: dict[str, str]) -> str:
    """A line a set: mean of the column over the seeds, by system; the last line is the mean of the sets.

    Of several rows of one set, system and seed the last counts. A cell of fewer seeds than were fitted says so. The
    mean (of seconds the median) is over the sets that every system has; the line says how many.

    Args:
        rows: of the CSV.
        column: its name.
        names: of the systems in the CSV, as they are shown, in their order.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    seeds: dict[tuple[str, str], int] = defaultdict(int)
    for row in {tuple(row[name] for name in KEY): row for row in rows}.values():
        seeds[row["set"], row["system"]] += 1
        own = found[row["set"]]
        if row["ari"] and row[column]:
            own[row["system"]].append(float(row[column]))
    systems = [name for name in names if any(row["system"] == name for row in rows)]
    digits = 1 if column == "seconds" else 3
    lines = ["| set | " + " | ".join(names[name] for name in systems) + " |", "|---" * (1 + len(systems)) + "|"]
    for name, own in found.items():
        cells = [_cell(own.get(system, []), seeds[name, system], digits) for system in systems]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    shared = [own for own in found.values() if all(system in own for system in systems)]
    if shared:
        mean, word = (np.median, "median") if column == "seconds" else (np.mean, "mean")
        cells = [f"{mean([np.mean(own[system]) for own in shared]):.{digits}f}" for system in systems]
        lines.append(f"| **{word} of {len(shared)} sets** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float], fitted: int, digits: int) -> str:
    mean = [f"{np.mean(values):.{digits}f}"] if values else []
    return " ".join([*mean, f"({len(values)} of {fitted} seeds)"] if len(values) < fitted else mean)
