"""Training, predict and evaluate on rows that stay in their file: how much memory, and how fast against rows in memory?

python benchmarks/large.py /big/folder                 10 million x 100 float32 rows, 8 GB of disk
python benchmarks/large.py /big/folder --rows 1000000  a quick look

Makes rows.npy (4 GB), the same rows as rows.parquet, and subset.npy, which fits in memory, in the folder, unless they
are there. Each command is a process of its own, told that the machine has as much memory as rows.npy is long, so that
the two large files stay where they are: train on the subset and on each of the files in turn, then predict and
evaluate. Before a file is used, the system is asked to forget what it has read of it.

Prints for each the peak of its resident memory (ru_maxrss, Python and TensorFlow included) and the rows a second of the
phases, by the clock and by processor time: the fastest epoch counts, for the first one compiles. The clock tells
nothing while others use the machine; processor time does not see a wait for the disk. Writes
benchmarks/results/large.csv, or large_ROWS.csv where --rows is given.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import frame
import numpy as np

FEATURES, GROUPS, ROWS_PER_PART = 100, 10, 100_000
COLUMNS = ("command", "file", "rows", "peak_mib", "pretrain_rows_s", "fit_rows_s", "fit_rows_cpu_s", "seconds")
DEFAULT_ROWS = 10_000_000
SUBSET_ROWS = 500_000
SETTINGS = {"hidden": (32, 32), "batch_size": 1024, "precision": "float32"}  # a small network reads the most
LENGTHS = {"pretrain_epochs": 1, "epochs": 2, "regroups": 1}


def rows_of(number: int, n: int) -> np.ndarray:
    """Part of that number of the rows, float32 [n, D]: normal around the centre of a group."""
    centres = 2 * np.random.default_rng(0).standard_normal((GROUPS, FEATURES), np.float32)
    r = np.random.default_rng((1, number))
    return centres[r.integers(0, GROUPS, n)] + r.standard_normal((n, FEATURES), np.float32)


def make(folder: Path, n: int) -> dict[str, Path]:
    """The files, a part after the other; returns them by kind. The subset is the first rows of the others."""
    import pyarrow
    import pyarrow.parquet

    names = {"rows.npy": n, "rows.parquet": n, "subset.npy": SUBSET_ROWS}
    files = {name: folder / f"{rows}-{name}" for name, rows in names.items()}
    if all(file.exists() for file in files.values()):
        return files
    array = np.lib.format.open_memmap(files["rows.npy"], "w+", "f4", (n, FEATURES))
    schema = pyarrow.schema([(f"f{i}", pyarrow.float32()) for i in range(FEATURES)])
    more = {"compression": "none", "use_dictionary": False}
    with pyarrow.parquet.ParquetWriter(files["rows.parquet"], schema, **more) as table:
        for number, start in enumerate(range(0, n, ROWS_PER_PART)):
            x = rows_of(number, min(ROWS_PER_PART, n - start))
            array[start : start + len(x)] = x
            table.write_table(pyarrow.Table.from_arrays(list(x.T), schema=schema))
    array.flush()
    np.save(files["subset.npy"], array[:SUBSET_ROWS])
    return files


def child(command: str, data: str, out: str, memory: int) -> None:
    """One command in this process; prints what it took as JSON."""
    from vade_tf import machine

    machine.memory = lambda: memory  # before others import it
    import keras

    from vade_tf import TrainConfig, train
    from vade_tf.cli import main

    class Times(keras.callbacks.Callback):
        """Seconds of each epoch by the clock and of the processors."""

        def __init__(self):
            super().__init__()
            self.found: dict[str, list[tuple[float, float]]] = {}

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch, logs=None):
            phase = "pretrain" if self.model.name == "autoencoder" else "fit"
            spent = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]
            self.found.setdefault(phase, []).append(spent)

    times, begun = Times(), time.perf_counter()
    if command == "train":
        train(TrainConfig(data=data, clusters=GROUPS, **LENGTHS, **SETTINGS), out, extra=[times], export=False)
    elif command == "predict":
        main.main(["predict", out, "--data", data, "--out", f"{out}.csv"])
    else:
        main.main(["evaluate", out, "--no-figures", "--quiet"])
    took = {"seconds": time.perf_counter() - begun, "times": times.found, "peak": frame.peak_mib()}
    print("\n" + json.dumps(took))


def measured(command: str, file: Path, n: int, out: Path, options) -> dict:
    """A row of the table."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    words = [sys.executable, __file__, "--child", command, file, out, 4 * FEATURES * options.rows]
    environment = {**os.environ, "VADE_TF_HOME": str(options.folder / "cache")}
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found = json.loads(done.stdout.splitlines()[-1])
    best = {phase: np.array(spent).min(axis=0) for phase, spent in found["times"].items()}
    row = {"command": command, "file": file.suffix[1:] if n == options.rows else "in memory", "rows": n}
    row |= {"peak_mib": round(found["peak"]), "seconds": round(found["seconds"])}
    if best:
        row |= {"pretrain_rows_s": round(n / best["pretrain"][0]), "fit_rows_s": round(n / best["fit"][0])}
        row |= {"fit_rows_cpu_s": round(n / best["fit"][1])}
    print(", ".join(f"{name} {row[name]}" for name in COLUMNS if name in row), flush=True)
    return row


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        *words, memory = sys.argv[2:]
        return child(*words, int(memory))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go, and stay")
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    files, runs = make(options.folder, options.rows), options.folder / f"runs-{os.getpid()}"
    runs.mkdir()
    name, typed = "large.csv", "python benchmarks/large.py FOLDER"
    if options.rows != DEFAULT_ROWS:
        name, typed = f"large_{options.rows}.csv", f"{typed} --rows {options.rows}"
    commands = [("train", each) for each in ("subset.npy", "rows.npy", "subset.npy", "rows.parquet", "subset.npy")]
    table: list[dict] = []
    for command, each in (*commands, ("predict", "rows.npy"), ("evaluate", "rows.npy")):
        n = SUBSET_ROWS if each == "subset.npy" else options.rows
        out = runs / (str(len(table)) if command == "train" else "1")
        table.append(measured(command, files[each], n, out, options))
        frame.write(table, frame.RESULTS / name, COLUMNS, typed)


if __name__ == "__main__":
    main()
